"""Hands out what a round waits for, and waits for its review to close, holding nothing."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from maskloom.pipelines.stopping import Stop
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import reviews, runs
from maskloom.platform.errors import ToolUnavailable
from maskloom.platform.run_facts import Run, RunStatus
from maskloom.services.bridge import sync
from maskloom.services.bridge.tool import AnnotationTool

_LOOK_EVERY_S = 1.0


def hand_out(platform: Platform, run: Run, tool: AnnotationTool, console: Console) -> None:
    """Give the readers of `run` what waits for them, and say where they find it.

    A tool that does not answer is told of; the attendant gives it the masks when it does.
    """
    console.print("the run waits for its readers; it holds nothing meanwhile", style="yellow")
    try:
        sync.push(platform, run, tool)
        _tell_where(platform, run, tool, console)
    except ToolUnavailable as error:
        console.print(f"  nobody can read yet: {error.message}. {error.hint}", style="yellow")
    console.print(
        f"How far they are: maskloom review status {run.id}. Go on without the rest: maskloom review close {run.id}",
        style="dim",
    )


def wait_until_closed(
    platform: Platform,
    run: Run,
    review: str,
    stop: Stop,
    console: Console,
    read: Callable[[], None],
) -> None:
    """Return when `review` is closed. Raises Stopped when the run is paused or cancelled meanwhile, or interrupted.

    `read` is called at every look: what waits for readers may come to them later, when their tool did not answer at first.
    """
    while True:
        reason, status = platform.database.transaction(
            lambda c: (reviews.closing(c, review), runs.status(c, run.id))
        )
        if reason is not None:
            console.print(f"the review is closed: {reason}", style="green")
            return
        if status in {RunStatus.PAUSED, RunStatus.CANCELLED}:
            stop.request(status)
        read()
        stop.wait(_LOOK_EVERY_S)


def _tell_where(platform: Platform, run: Run, tool: AnnotationTool, console: Console) -> None:
    desks = platform.database.transaction(lambda connection: sync.desks_of(connection, run))
    left = platform.database.transaction(lambda connection: reviews.unread(connection, run.id))
    for desk in desks:
        console.print(f"  {desk.reader}: {left.get(desk.reader, 0):,} to read in {tool.where(desk)}")
