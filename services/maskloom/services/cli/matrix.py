"""`maskloom run --matrix`: many runs side by side, and in the end a table and a plot of what came of them.

Its cells are queued like any run, and driven by a scheduler: one in this process that sees to them alone, or `maskloom serve`.
"""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.pipelines.matrix.axes import Cell, cells
from maskloom.pipelines.stopping import Stop, Stopped, stopping_on_signals
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import runs, tickets
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.run_facts import Priority, Run, Ticket
from maskloom.services.bridge.attendant import Attendant
from maskloom.services.bridge.opening import open_tool
from maskloom.services.cli.driving import reviewed
from maskloom.services.cli.here import Here
from maskloom.services.cli.matrix_outcome import told
from maskloom.services.cli.matrix_watching import ENDED, watch
from maskloom.services.cli.output import people
from maskloom.services.cli.place import Place, connected, server
from maskloom.services.cli.there import There
from maskloom.services.client import Client
from maskloom.services.scheduler.scheduler import Scheduler
from maskloom.services.words import count

_QUEUED = "{} left to `maskloom serve`, which drives them. Ctrl-C ends the watching, not the runs."
_HERE = "{} driven here, {} at a time. Ctrl-C stops them; the same command goes on."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for. `side_by_side`: how many cells go on at a time here; None leaves that to `maskloom serve`."""

    axes: str
    recipe: str | None
    dataset: str
    settings: list[str]
    workers: int
    side_by_side: int | None
    priority: Priority
    out: Path | None
    as_json: bool


def run_matrix(wish: Wish) -> None:
    """Run all cells and tell what came of them.

    Exits 1 when one has not finished, 130 when it is stopped on the way.
    """
    chosen = cells(wish.axes, wish.recipe, wish.settings)
    if wish.out is not None:
        from maskloom.pipelines.matrix.plot import check_place  # loads matplotlib

        check_place(wish.out)
    console = people(as_json=wish.as_json)
    stop = Stop()
    url = server()
    try:
        with stopping_on_signals(stop):
            if url is None:
                with open_platform() as platform:
                    all_finished = _here(platform, wish, chosen, console, stop)
            else:
                with connected(url) as client:
                    all_finished = _there(client, wish, chosen, console, stop)
    except Stopped:
        console.print("The same command goes on from here, or shows how it ends.", style="yellow")
        raise typer.Exit(Stopped.exit_code) from None
    if not all_finished:
        raise typer.Exit(1)


def _there(client: Client, wish: Wish, chosen: list[Cell], console: Console, stop: Stop) -> bool:
    def start(cell: Cell) -> str:
        stop.check()
        return client.runs.start(
            wish.dataset,
            cell.name,
            settings=cell.settings,
            seed=cell.seed,
            priority=wish.priority,
            workers=wish.workers,
        ).id

    names = [start(cell) for cell in chosen]
    console.print(_QUEUED.format(count(len(chosen), "run")))
    return _watched(There(client), wish, chosen, names, console, stop)


def _here(platform: Platform, wish: Wish, chosen: list[Cell], console: Console, stop: Stop) -> bool:
    def create(cell: Cell) -> tuple[Run, bool]:
        stop.check()
        return drive.create(platform, cell.recipe, wish.dataset, cell.seed)

    created = [create(cell) for cell in chosen]
    cell_runs = [run for run, _ in created]
    ticket = Ticket(owner=getpass.getuser(), priority=wish.priority, workers=wish.workers)
    left = platform.database.transaction(
        lambda c: tickets.queue_all(c, dict.fromkeys(run.id for run in cell_runs), ticket)
    )
    new = sum(is_new for _, is_new in created)
    console.print(
        f"{count(len(chosen), 'run')} on {wish.dataset}: {new:,} new, {len(left) - new:,} to go on with, "
        f"{len(chosen) - len(left):,} finished before"
    )
    with ExitStack() as stack:
        check: Callable[[], None] = stop.check
        if left and wish.side_by_side is None:
            console.print(_QUEUED.format(count(len(left), "run")))
        elif left:
            console.print(_HERE.format(count(len(left), "run"), wish.side_by_side))
            wanted = [run for run in cell_runs if run.id in left]
            check = stack.enter_context(_driving(platform, wanted, wish.side_by_side or 1, console))
        return _watched(Here(platform), wish, chosen, [run.id for run in cell_runs], console, stop, check)


@contextmanager
def _driving(
    platform: Platform, wanted: Sequence[Run], places: int, console: Console
) -> Iterator[Callable[[], None]]:
    """Drives the `wanted` while the block goes on, and attends to their reviews; gives what raises when that has failed.

    Where the block is stopped they are paused: what one has begun here, no other scheduler is to go on with unasked.
    """
    ended = threading.Event()
    scheduler = Scheduler(platform, places, among={run.id for run in wanted})
    with ExitStack() as stack:
        if any(reviewed(run) for run in wanted):
            console.print("Readers see what waits for them as in any run: `maskloom review status RUN`.")
            stack.enter_context(Attendant(platform, lambda: [run.id for run in wanted], open_tool(platform)))
        thread = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="scheduler"))
        driving = thread.submit(scheduler.run, ended)

        def check() -> None:
            if driving.done():
                driving.result()

        try:
            yield check
        except Stopped:
            console.print("stopping: what is done so far is saved", style="yellow")
            _pause(platform, wanted)
            raise
        finally:
            ended.set()
            driving.result()


def _pause(platform: Platform, wanted: Sequence[Run]) -> None:
    """Pause those that have not ended."""
    for run in wanted:
        platform.database.transaction(partial(_pause_one, run=run))


def _pause_one(connection: Connection, run: Run) -> None:
    runs.lock_events(connection, run.id)  # or it might finish in between, and be called paused
    if runs.status(connection, run.id) not in ENDED:
        drive.request(connection, run, "paused")


def _watched(
    place: Place,
    wish: Wish,
    chosen: list[Cell],
    names: list[str],
    console: Console,
    stop: Stop,
    check: Callable[[], None] = lambda: None,
) -> bool:
    """Show how the cells go on until all have ended, and then what came of them; whether all have finished."""
    watch(place, wish.dataset, dict(zip(names, chosen, strict=True)), console, stop, check)
    out = wish.out or _default_name(names)
    return told(place, chosen, names, console, dataset=wish.dataset, out=out, as_json=wish.as_json)


def _default_name(names: list[str]) -> Path:
    """Another matrix has another name: its plot takes the place of no other one's."""
    return Path(f"matrix-{fingerprint(sorted(names))[:8]}.png")
