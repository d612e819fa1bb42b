"""A run in a process of its own, that goes on when this one has ended and its terminal is closed."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, runs
from maskloom.platform.errors import MaskloomError, OutputUnwritable, disk_hint
from maskloom.platform.run_facts import Run

_START_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run in the background; `finished` when there was nothing left to do."""

    run: str
    pid: int
    log: Path
    finished: bool


def start(platform: Platform, run: Run, workers: int) -> Started:
    """Start `maskloom resume` as a process of its own session; returns once that holds the run's lease.

    Raises RunBusy when another process drives the run, and MaskloomError with the end of its log when it
    does not come so far.
    """
    held = platform.database.transaction(lambda c: leases.current(c, runs.lease_name(run.id)))
    if held is not None:
        raise drive.busy(run, held[0])
    before = platform.database.transaction(lambda c: _starts(c, run))
    log = platform.settings.home / "logs" / f"run-{run.id}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "maskloom.services.cli.main",
                    "resume",
                    run.id,
                    "--workers",
                    str(workers),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise OutputUnwritable(f"cannot write {log}: {error.strerror}", hint=disk_hint(error)) from error
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        code = child.poll()
        if code is not None and code != 0:
            break
        held = platform.database.transaction(lambda c: leases.current(c, runs.lease_name(run.id)))
        started = platform.database.transaction(lambda c: _starts(c, run)) > before
        if code == 0 or started or (held is not None and held[0].pid == child.pid):
            return Started(run=run.id, pid=child.pid, log=log, finished=code == 0)
        time.sleep(0.1)
    said = " ".join(log.read_text(errors="replace").strip().splitlines()[-2:])
    raise MaskloomError(
        f"run {run.id} did not start in the background: {said or 'it said nothing'}", hint=f"See {log}."
    )


def _starts(connection: Connection, run: Run) -> int:
    """How often the run was begun or gone on with: one that soon waits for readers again holds no lease to be seen."""
    return sum(kind == "started" for kind, _, _ in runs.events(connection, run.id))


def tell(console: Console, started: Started) -> None:
    """Say where it runs and how to follow it."""
    if started.finished:
        console.print(f"There was nothing left to do: see `maskloom show {started.run}`.")
        return
    console.print(f"It runs in the background as process {started.pid}; it writes to {started.log}.")
    console.print(
        f"Follow it with `maskloom watch {started.run}`, stop it with `maskloom pause {started.run}`."
    )
