"""Waits for a review to close, holding nothing, and says what there is to read meanwhile."""

from __future__ import annotations

from rich.console import Console

from maskloom.pipelines.work import Stop
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import reviews, runs
from maskloom.platform.facts import Run, RunStatus
from maskloom.services.bridge.sync import desks_of
from maskloom.services.bridge.tool import AnnotationTool

_LOOK_EVERY_S = 1.0


def wait_until_closed(
    platform: Platform, run: Run, review: str, tool: AnnotationTool, stop: Stop, console: Console
) -> None:
    """Return when `review` is closed. Raises Stopped when the run is paused or cancelled meanwhile, or interrupted."""
    tell_where(platform, run, tool, console)
    while True:
        reason, status = platform.database.transaction(
            lambda c: (reviews.closing(c, review), runs.status(c, run.id))
        )
        if reason is not None:
            console.print(f"the review is closed: {reason}", style="green")
            return
        if status in {RunStatus.PAUSED, RunStatus.CANCELLED}:
            stop.request(status)
        stop.wait(_LOOK_EVERY_S)


def tell_where(platform: Platform, run: Run, tool: AnnotationTool, console: Console) -> None:
    """Say where the readers of `run` find their work."""
    desks = platform.database.transaction(lambda connection: desks_of(connection, run))
    left = platform.database.transaction(lambda connection: reviews.unread(connection, run.id))
    console.print("the run waits for its readers; it holds nothing meanwhile", style="yellow")
    for desk in desks:
        console.print(f"  {desk.reader}: {left.get(desk.reader, 0):,} to read in {tool.where(desk)}")
    console.print(f"How far they are: maskloom review status {run.id}", style="dim")
