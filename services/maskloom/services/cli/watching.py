"""Follows a run that another process drives: by the steps it commits, and the note on its lease."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from maskloom.pipelines.work import Progress
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, runs, steps
from maskloom.platform.run_facts import Run, RunStatus, StepRecord
from maskloom.services.cli.output import people
from maskloom.services.cli.progress import showing
from maskloom.services.following import outcome, parsed

_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """The run at one moment: `new` are the steps since the last look, `note` says what it is doing."""

    status: RunStatus
    new: list[StepRecord]
    note: dict[str, Any] | None


def follow(platform: Platform, run: Run) -> RunStatus:
    """Show the run until nobody drives it any more; returns how it ended."""
    console = people()
    status = RunStatus.INTERRUPTED
    if console.is_terminal:
        console.print(f"run {run.id}; Ctrl-C ends the watching, not the run", style="dim")
    with showing(console) as observer:
        doing: tuple[str, int | None] | None = None
        for number, look in enumerate(_looks(platform, run)):
            for step in look.new:
                # What was done before we came is not news.
                output = parsed(step.kind, step.output)
                observer.done(step.kind, step.round, output, None if number == 0 else step.seconds)
                doing = None
            if look.note is not None:
                progress = Progress(**look.note)
                if doing != (progress.kind, progress.round):
                    doing = (progress.kind, progress.round)
                    observer.started(*doing)
                observer.progress(progress)
            status = look.status
    hint = "" if status is RunStatus.FINISHED else f"; go on with `maskloom resume {run.id}`"
    console.print(f"run {run.id} is {status}{hint}")
    return status


def follow_as_json(platform: Platform, run: Run) -> RunStatus:
    """One JSON object a line: each step that was taken, progress in between, and how the run ended."""
    status = RunStatus.INTERRUPTED
    for look in _looks(platform, run):
        for step in look.new:
            said = outcome(parsed(step.kind, step.output))
            _print({"step": step.kind, "round": step.round, "seconds": step.seconds, "outcome": said})
        if look.note is not None:
            _print({"progress": look.note})
        status = look.status
    _print({"run": run.id, "status": status})
    return status


def _print(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _looks(platform: Platform, run: Run) -> Iterator[_Look]:
    """A look every second, the last one when nobody drives the run any more."""
    last: StepRecord | None = None
    seen: set[str] = set()
    noted: dict[str, Any] | None = None
    while True:
        since = last.committed_at if last else None

        def look(connection: Connection, since: Any = since) -> tuple[Any, Any, list[StepRecord]]:
            # The lease first: a driver that ends in between has then committed all that we read after it.
            held = leases.current(connection, runs.lease_name(run.id))
            return held, runs.status(connection, run.id), steps.of_run(connection, run.id, since)

        held, status, taken = platform.database.transaction(look)
        new = [step for step in taken if step.key not in seen]
        seen.update(step.key for step in new)
        last = taken[-1] if taken else last
        note = held[1] if held and held[1] and held[1] != noted else None
        noted = note or noted
        # A note that is older than the newest step would bring back a bar for what is done.
        done = {(step.kind, step.round) for step in new}
        stale = note is not None and (note["kind"], note["round"]) in done
        yield _Look(status=status, new=new, note=None if stale else note)
        if held is None and status not in {RunStatus.WAITING, RunStatus.QUEUED}:
            return
        time.sleep(_EVERY_S)
