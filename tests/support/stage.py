"""Where faults are played: copies of one small run, driven by processes that tell all they do and can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.settings import Settings
from support import small_run
from support.remains import facts, loose_ends
from support.servers import postgres_processes, postmasters, remove_home, short_folder

PATIENCE_S = 600.0
VICTIMS = ("driver", "trainer", "labeller", "postgres")


class Driver:
    """A process that drives the run of a home. `events` are (seconds since boot, what it told).

    `inside`: what its command begins with, where it runs on a machine of its own.
    """

    def __init__(self, home: Path, run: str, inside: Sequence[str] = (), **environment: str) -> None:
        self.home = home
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*inside, sys.executable, small_run.__file__, run],
            env=os.environ | {"MASKLOOM_HOME": str(home)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.errors = ""
        self._threads = [threading.Thread(target=target) for target in (self._listen, self._collect)]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))

    def _collect(self) -> None:
        assert self.process.stderr
        self.errors = self.process.stderr.read()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        code = self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
        return code

    def told(self, wanted: Callable[[dict[str, Any]], bool], since: float = 0.0) -> float | None:
        """When it told the first event that is `wanted`, after `since`; waits for it. None if it ends before."""
        seen = 0
        while True:
            ended = self.process.poll() is not None
            for moment, event in self.events[seen:]:
                seen += 1
                if moment >= since and wanted(event):
                    return moment
            if ended and not any(thread.is_alive() for thread in self._threads):
                return None
            time.sleep(0.02)

    def stopped(self) -> bool:
        """Wait until it stops at a failpoint; False if it ends before."""
        while self.process.poll() is None:
            if psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED:
                return True
            time.sleep(0.02)
        return False

    def family(self) -> list[psutil.Process]:
        """Every process below it: Ray's and the actors'."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def victim(self, name: str) -> psutil.Process | None:
        """The living process called `name` in `VICTIMS`."""
        if name == "driver":
            return psutil.Process(self.process.pid) if self.process.poll() is None else None
        if name == "postgres":
            return postmaster(self.home)
        return next(
            (process for process in self.family() if _title(process).startswith(f"ray::{name.title()}")), None
        )


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def postmaster(home: Path) -> psutil.Process | None:
    """The embedded PostgreSQL of a home."""
    return next(iter(postmasters(home)), None)


def answers(home: Path) -> bool:
    """Whether the embedded PostgreSQL of a home takes connections. Starts none."""
    data = (home / "postgres").resolve() / "data"
    try:
        psycopg2.connect(host=str(data), port="5432", user="maskloom", dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A prepared home to copy, its run, and what that run leaves when nothing dies."""

    template: Path
    run: str
    undisturbed: dict[str, list[str]]
    seconds: float
    """How long the undisturbed run took."""

    def keep(self, folder: Path) -> None:
        """Put a copy into `folder`, which is new, for other processes."""
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        unfinished.mkdir()
        _copy(self.template, unfinished / "home")
        (unfinished / "stage.json").write_text(json.dumps([self.run, self.undisturbed, self.seconds]))
        unfinished.rename(folder)

    @classmethod
    def kept(cls, folder: Path) -> Stage:
        """What `keep` has put there."""
        run, undisturbed, seconds = json.loads((folder / "stage.json").read_text())
        return cls(template=folder / "home", run=run, undisturbed=undisturbed, seconds=seconds)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """A home of its own for one trial."""
        home = copied(self.template)
        yield home
        remove_home(home)

    def verdict(self, home: Path) -> list[str]:
        """What is otherwise in a home than after the undisturbed run; empty when all is the same."""
        with open_platform(Settings(home=home)) as platform:
            problems = differences(platform, self.undisturbed)
        if postgres_processes(home):
            problems.append("its PostgreSQL still runs")
        return problems


@contextmanager
def staged() -> Iterator[Stage]:
    """Prepare the small run and drive it once, undisturbed."""
    template = short_folder()
    with open_platform(Settings(home=template)) as platform:
        run = small_run.prepare(platform).id
    home = copied(template)
    driver = Driver(home, run)
    assert driver.wait() == 0, driver.errors
    seconds = time.monotonic() - driver.began
    with open_platform(Settings(home=home)) as platform:
        assert loose_ends(platform) == []
        undisturbed = facts(platform)
    remove_home(home)
    yield Stage(template=template, run=run, undisturbed=undisturbed, seconds=seconds)
    remove_home(template)


def differences(platform: Platform, undisturbed: dict[str, list[str]]) -> list[str]:
    """What a run has left otherwise than the undisturbed one, or should not have left at all."""
    found, problems = facts(platform), loose_ends(platform)
    for table, rows in undisturbed.items():
        missing, extra = set(rows) - set(found[table]), set(found[table]) - set(rows)
        if missing or extra:
            problems.append(
                f"{table}: {len(missing)} rows missing, {len(extra)} too many, as {[*missing, *extra][0][:300]}"
            )
    return problems


def copied(home: Path) -> Path:
    """A copy of a home that no process uses, with owners and modes."""
    copy = short_folder()
    _copy(home, copy)
    return copy


def _copy(home: Path, folder: Path) -> None:
    assert not postgres_processes(home)
    subprocess.run(["cp", "-a", f"{home}/.", folder], check=True)


def until_gone(processes: list[psutil.Process]) -> float:
    """Seconds until all of `processes` have ended; raises when some never do."""
    began = time.monotonic()
    while alive := [process for process in processes if lives(process)]:
        if time.monotonic() - began > PATIENCE_S:
            raise AssertionError(f"they never end: {[_title(process) for process in alive]}")
        time.sleep(0.05)
    return time.monotonic() - began


def lives(process: psutil.Process) -> bool:
    """Whether it has not ended."""
    try:
        # A zombie is gone: only nobody has asked for its exit code.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until_answering(home: Path) -> float:
    """The moment at which the embedded PostgreSQL of `home` answers again."""
    deadline = time.monotonic() + PATIENCE_S
    while not answers(home):
        if time.monotonic() > deadline:
            raise AssertionError("PostgreSQL did not come back")
        time.sleep(0.05)
    return time.monotonic()


def interrupt(driver: Driver) -> None:
    """Ctrl-C as a terminal gives it: to the whole process group."""
    os.killpg(driver.process.pid, signal.SIGINT)
