"""`maskloom serve`: drives the runs that were queued, and attends to their reviews."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer


def serve(
    runs: Annotated[int, typer.Option(min=1, help="How many runs go on at a time, here.")] = 1,
) -> None:
    """Drive queued runs (`run --queue normal`) until it is stopped.

    Runs take turns where more are queued than go on at a time. What a stopped or killed one was at, another one, or the
    next, goes on with.
    """
    import logging
    import sys

    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.catalog import reviews
    from maskloom.services.bridge.attendant import Attendant
    from maskloom.services.bridge.opening import open_tool
    from maskloom.services.scheduler.scheduler import Scheduler

    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    logging.getLogger("maskloom").setLevel(logging.INFO)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with open_platform() as platform:
        reviewed = lambda: platform.database.transaction(reviews.reviewed_runs)  # noqa: E731 - as short as its use
        with Attendant(platform, reviewed, open_tool(platform)):
            Scheduler(platform, runs).run(ended)
