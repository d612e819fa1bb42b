"""Drives a run for `run`, `resume` and `demo`, and shows how it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import typer
from rich.console import Console

from maskloom.pipelines import drive
from maskloom.pipelines.stopping import Stop, Stopped, stopping_on_signals
from maskloom.pipelines.work import Waiting
from maskloom.platform.bootstrap import Platform
from maskloom.platform.run_facts import Priority, Run
from maskloom.services.bridge.attendant import Attendant
from maskloom.services.bridge.opening import open_tool
from maskloom.services.bridge.tool import AnnotationTool
from maskloom.services.cli import background, queueing
from maskloom.services.cli.output import people, print_json
from maskloom.services.cli.progress import showing
from maskloom.services.cli.telling import announce, tell_next, tell_result
from maskloom.services.cli.waiting import hand_out, wait_until_closed
from maskloom.services.records import run_record

_STOPPING = "stopping: what is done so far is saved"


def go_on(
    platform: Platform,
    run: Run,
    *,
    is_new: bool,
    workers: int,
    detach: bool,
    queue: Priority | None,
    as_json: bool,
) -> None:
    """Drive `run` to its end, in the background with `detach`, or leave it to a scheduler with a priority for its `queue`.

    Exits 130 when it is stopped on the way.
    """
    console = people(as_json=as_json)
    announce(console, run_record(platform, run), is_new=is_new)
    if queue is not None:
        queueing.put_in_queue(platform, run, queue, workers, console)
        if as_json:
            print_json(run_record(platform, run))
        return
    if detach:
        started = background.start(platform, run, workers)
        if as_json:
            print_json(started)
        else:
            background.tell(console, started)
        return
    drive_and_show(platform, run, workers, console)
    record = run_record(platform, run)
    if as_json:
        print_json(record)
    else:
        tell_result(console, record)
        tell_next(console, record)


def drive_and_show(
    platform: Platform,
    run: Run,
    workers: int,
    console: Console,
    *,
    read: Callable[[AnnotationTool], None] = lambda _tool: None,
) -> None:
    """`drive.drive` with progress on `console`. Exits 130 when it is stopped on the way.

    `read` does the readers' work, in place of people, each time that somebody looks whether a round still waits for them.
    """
    stop = _SpokenStop(console)
    try:
        with stopping_on_signals(stop):
            if reviewed(run):
                _drive_with_readers(platform, run, workers, stop, console, read)
            else:
                _drive(platform, run, workers, stop, console)
    except Stopped:
        console.print(
            f"run {run.id} was {stop.reason}; everything so far is kept. Resume it with "
            f"`maskloom resume {run.id}`.",
            style="yellow",
        )
        raise typer.Exit(Stopped.exit_code) from None


def reviewed(run: Run) -> bool:
    """Whether readers look at the masks of `run`."""
    return bool(run.recipe.get("review", {}).get("mode", "none") != "none")


def _drive(platform: Platform, run: Run, workers: int, stop: Stop, console: Console) -> None:
    with showing(console) as observer:
        drive.drive(platform, run, workers=workers, observer=observer, stop=stop)


def _drive_with_readers(
    platform: Platform,
    run: Run,
    workers: int,
    stop: Stop,
    console: Console,
    read: Callable[[AnnotationTool], None],
) -> None:
    tool = open_tool(platform)
    with Attendant(platform, lambda: [run.id], tool):
        while True:
            try:
                _drive(platform, run, workers, stop, console)
            except Waiting as waiting:
                hand_out(platform, run, tool, console)
                wait_until_closed(platform, run, waiting.review, stop, console, lambda: read(tool))
            else:
                return


class _SpokenStop(Stop):
    """Says at once that it was heard: saving the state of a training takes a moment."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def request(self, reason: str) -> None:
        if not self.requested:
            # A signal handler must not write itself: it may stand in the midst of a write to the same stream.
            said = threading.Thread(target=self._console.print, args=[_STOPPING], kwargs={"style": "yellow"})
            said.start()
        super().request(reason)
