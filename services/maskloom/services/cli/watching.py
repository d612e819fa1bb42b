"""Follows a run that another process drives: by the steps it commits, and what it says that it is doing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from maskloom.pipelines.work import Progress
from maskloom.platform.run_facts import RunStatus, StepRecord
from maskloom.services.cli.output import people
from maskloom.services.cli.place import Place
from maskloom.services.cli.progress import showing
from maskloom.services.following import outcome, parsed

_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """The run at one moment: `new` are the steps since the last look, `note` says what it is doing."""

    status: RunStatus
    new: list[StepRecord]
    note: dict[str, Any] | None


def follow(place: Place, run: str) -> RunStatus:
    """Show the run until nobody drives it any more; returns how it ended."""
    console = people()
    status = RunStatus.INTERRUPTED
    if console.is_terminal:
        console.print(f"run {run}; Ctrl-C ends the watching, not the run", style="dim")
    with showing(console) as observer:
        doing: tuple[str, int | None] | None = None
        for number, look in enumerate(_looks(place, run)):
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
    hint = "" if status is RunStatus.FINISHED else f"; go on with `maskloom resume {run}`"
    console.print(f"run {run} is {status}{hint}")
    return status


def follow_as_json(place: Place, run: str) -> RunStatus:
    """One JSON object a line: each step that was taken, progress in between, and how the run ended."""
    status = RunStatus.INTERRUPTED
    for look in _looks(place, run):
        for step in look.new:
            said = outcome(parsed(step.kind, step.output))
            _print({"step": step.kind, "round": step.round, "seconds": step.seconds, "outcome": said})
        if look.note is not None:
            _print({"progress": look.note})
        status = look.status
    _print({"run": run, "status": status})
    return status


def _print(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _looks(place: Place, run: str) -> Iterator[_Look]:
    """A look every second, the last one when nobody drives the run any more."""
    last: StepRecord | None = None
    seen: set[str] = set()
    noted: dict[str, Any] | None = None
    while True:
        # The run first: a driver that ends in between has then committed all that we read after it.
        glance = place.glance(run)
        taken = place.steps(run, last.committed_at if last else None)
        new = [step for step in taken if step.key not in seen]
        seen.update(step.key for step in new)
        last = taken[-1] if taken else last
        note = glance.note if glance.note and glance.note != noted else None
        noted = note or noted
        # A note that is older than the newest step would bring back a bar for what is done.
        done = {(step.kind, step.round) for step in new}
        stale = note is not None and (note["kind"], note["round"]) in done
        yield _Look(status=glance.status, new=new, note=None if stale else note)
        if glance.driver is None and glance.status not in {RunStatus.WAITING, RunStatus.QUEUED}:
            return
        time.sleep(_EVERY_S)
