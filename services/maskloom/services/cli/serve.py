"""`maskloom serve`: the API, the scheduler of queued runs, and who attends to their reviews, in one process."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from maskloom.platform.bootstrap import Platform

_DEFAULT_PLACE = "127.0.0.1:8042"


class Part(StrEnum):
    """A part of the service."""

    API = "api"
    SCHEDULER = "scheduler"
    BRIDGE = "bridge"


def serve(
    role: Annotated[
        list[Part] | None, typer.Option(help="Only this part, or several; without it all of them.")
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the API answers; port 0 for a free one.")
    ] = _DEFAULT_PLACE,
    runs: Annotated[int, typer.Option(min=1, help="How many runs the scheduler drives at a time.")] = 1,
    timeout: Annotated[
        float, typer.Option(min=5, help="After so many seconds without progress a run's driver is replaced.")
    ] = 3600,
    beat: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Touch it whenever the scheduler and who has jobs done have looked, so that others see that they do.",
        ),
    ] = None,
) -> None:
    """Serve until it is stopped: the API, queued runs (`run --queue normal`), and their reviews.

    Runs take turns where more are queued than go on at a time. What a stopped or killed one was at, another one, or the
    next, goes on with.
    """
    import sys

    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.settings import host_and_port
    from maskloom.platform.telemetry import send_traces
    from maskloom.services.jobs.foreman import Foreman
    from maskloom.services.logs import write_log
    from maskloom.services.scheduler.scheduler import Scheduler

    host, port = host_and_port(listen, "--listen")
    write_log(sys.stderr)
    send_traces("maskloom")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    parts = set(role or Part)
    with ExitStack() as stack:
        platform = stack.enter_context(open_platform())
        if Part.API in parts:
            _answer(platform, host, port, stack)
        if Part.BRIDGE in parts:
            _attend(platform, stack)
        if Part.SCHEDULER in parts:
            foreman = stack.enter_context(Foreman(platform))

            def looked() -> None:
                if beat is not None and foreman.looks():
                    beat.touch()

            Scheduler(platform, runs, timeout).run(ended, looked)
        ended.wait()


def _answer(platform: Platform, host: str, port: int, stack: ExitStack) -> None:
    from maskloom.services.access.signing_in import invite_first_admin
    from maskloom.services.api.serving import serving
    from maskloom.services.cli.output import people

    console = people()
    url = stack.enter_context(serving(platform, host=host, port=port))
    console.print(f"maskloom answers at {url}")
    secret = invite_first_admin(platform)
    if secret is not None:
        # After the #, where browsers do not send it along: no log has it.
        console.print("Nobody can sign in yet. Become the first admin with this link, once and within a day:")
        console.print(f"{platform.settings.url or url}/welcome#{secret}")


def _attend(platform: Platform, stack: ExitStack) -> None:
    from maskloom.platform.catalog import reviews
    from maskloom.services.bridge.attendant import Attendant
    from maskloom.services.bridge.opening import open_tool

    stack.enter_context(
        Attendant(platform, lambda: platform.database.transaction(reviews.reviewed_runs), open_tool(platform))
    )
