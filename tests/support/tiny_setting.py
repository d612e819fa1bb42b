"""A tiny run (`tiny_flow`) on a data set of its own, and processes that drive it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import text

from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import runs
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run, RunStatus
from maskloom.platform.settings import Settings
from support import tiny_flow
from support.painted import ingest_phantom

PATIENCE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A data set and a run on it that nobody has driven yet."""

    platform: Platform
    run: Run
    environment: dict[str, str]

    def start(self, run: Run | None = None, **environment: str) -> subprocess.Popen[str]:
        """A process that drives the run."""
        return subprocess.Popen(
            [sys.executable, tiny_flow.__file__, (run or self.run).id],
            env=os.environ | self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, run: Run | None = None, **environment: str) -> str:
        """Drive the run in a process that nobody disturbs; what it printed."""
        code, out, err = ended(self.start(run, **environment))
        assert code == 0, err
        return out

    def status(self) -> RunStatus:
        return self.platform.database.transaction(lambda c: runs.status(c, self.run.id))


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of a process, once it has ended."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    """Wait until the process has printed `line`."""
    assert process.stdout
    for printed in process.stdout:
        if printed.strip() == line:
            return
    raise AssertionError(f"it ended without saying {line!r}: {process.stderr and process.stderr.read()}")


@contextmanager
def prepared(home: Path, url: str) -> Iterator[Setting]:
    with open_platform(Settings(home=home, database_url=url)) as platform:
        for seed, (split, count) in enumerate({"labelled": 5, "unlabelled": 12}.items()):
            ingest_phantom(platform, home / split, Split(split), count, seed)
        run, _ = drive.create(platform, tiny_flow.tiny_recipe(), "phantom", seed=1)
        environment = {"MASKLOOM_HOME": str(home), "MASKLOOM_DATABASE_URL": url}
        yield Setting(platform=platform, run=run, environment=environment)


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def wait_until_leases_expire(setting: Setting) -> None:
    running = text("select count(*) from leases where expires_at > clock_timestamp()")
    while setting.platform.database.transaction(lambda c: c.scalar(running)):
        time.sleep(0.5)
