"""Drives a run for `run`, `resume` and `demo`: says what it is, shows how it goes on, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from maskloom.pipelines import drive
from maskloom.pipelines.stopping import Stop, Stopped, stopping_on_signals
from maskloom.pipelines.work import Waiting
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import runs
from maskloom.platform.errors import SettingsError
from maskloom.platform.run_facts import Priority, Run, RunStatus
from maskloom.services.bridge.attendant import Attendant
from maskloom.services.bridge.opening import open_tool
from maskloom.services.bridge.tool import AnnotationTool
from maskloom.services.cli import background, queueing
from maskloom.services.cli.output import facts_table, measures_table, people, print_json
from maskloom.services.cli.progress import showing
from maskloom.services.cli.waiting import hand_out, wait_until_closed
from maskloom.services.records import recipe_name, run_record
from maskloom.services.words import count, short

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
    if detach and queue is not None:
        raise SettingsError(
            "--detach drives the run in the background, --queue leaves it to a scheduler: choose one"
        )
    console = people(as_json=as_json)
    announce(platform, run, console, is_new=is_new)
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


def announce(platform: Platform, run: Run, console: Console, *, is_new: bool) -> None:
    """Say which run it is, and whether it is new, goes on, or has finished already."""
    experts, pool = count(run.labelled.size, "expert mask"), count(run.pool.size, "slice")
    what = f"{recipe_name(run.recipe)} on {run.dataset}, seed {run.seed}: {experts}, {pool} to label"
    status = platform.database.transaction(lambda connection: runs.status(connection, run.id))
    verb = {RunStatus.FINISHED: "has finished already:", RunStatus.RUNNING: "runs:"}.get(status, "goes on:")
    console.print(Text.assemble("run ", (run.id, "bold"), f" {'is new:' if is_new else verb} {what}"))


def drive_and_show(
    platform: Platform,
    run: Run,
    workers: int,
    console: Console,
    *,
    read: Callable[[AnnotationTool], None] | None = None,
) -> None:
    """`drive.drive` with progress on `console`. Exits 130 when it is stopped on the way.

    `read` does the readers' work when a round waits for them, in place of people.
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
    read: Callable[[AnnotationTool], None] | None,
) -> None:
    tool = open_tool(platform)
    with Attendant(platform, lambda: [run.id], tool):
        while True:
            try:
                _drive(platform, run, workers, stop, console)
            except Waiting as waiting:
                hand_out(platform, run, tool, console)
                if read is not None:
                    read(tool)
                wait_until_closed(platform, run, waiting.review, stop, console)
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


def tell_result(console: Console, record: dict[str, Any]) -> None:
    """What a finished run has made, and what to do with it."""
    counts = record["counts"]
    masks = f"{counts['labels']:,} made; {counts['kept']:,} of {counts['gated']:,} passed the gate"
    console.print()
    console.print(
        facts_table(
            [
                ("run", f"{record['run']} ({record['status']})"),
                ("network", short(record["final_checkpoint"])),
                ("masks", masks if counts["labels"] else "none: this recipe labels no slices"),
            ]
        )
    )
    if record["measures"]:
        console.print("\non the test slices", style="bold")
        console.print(measures_table(record["measures"]))


def tell_next(console: Console, record: dict[str, Any]) -> None:
    """What can be done with a finished run."""
    console.print("\nWhat next:", style="dim")
    for command in (
        f"maskloom report {record['run']} --out report.html",
        f"maskloom export {record['run']} --format png --out masks",
        f"maskloom predict {record['run']} IMAGES --out predictions",
    ):
        console.print(f"  {command}", style="dim")
