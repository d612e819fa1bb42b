"""How a run is asked to stop, and how it says that it did."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from maskloom.platform.errors import LeaseLost, MaskloomError


class Stopped(MaskloomError):
    """The run was paused, cancelled or interrupted; everything so far is kept."""

    exit_code = 130


class Stop:
    """A request to stop, from Ctrl-C or from `maskloom pause` and `cancel`. The first reason counts."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._at_once = False
        self._superseded = False
        self.reason: str | None = None

    def request(self, reason: str) -> None:
        """`reason`: interrupted, paused or cancelled."""
        if self.reason is None:
            self.reason = reason
        self._event.set()

    def supersede(self) -> None:
        """Another process has taken the run over, while this one was away for longer than its lease."""
        self._superseded = True
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Stopped when a stop was requested, LeaseLost when another process has taken over."""
        if self._superseded:
            raise LeaseLost(
                "another process took over the run while this one was away",
                hint="Nothing is lost: run `maskloom resume` to follow what the other process commits.",
            )
        if self._event.is_set():
            raise Stopped(f"the run was {self.reason}", hint="`maskloom resume` goes on from here.")

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal's request raise Stopped wherever the main thread is: around long calls that cannot be asked to end."""
        self.check()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def request_by_signal(self) -> None:
        """For signal handlers, which run in the main thread between two of its instructions."""
        self.request("interrupted")
        if self._at_once:
            self.check()

    def wait(self, seconds: float) -> None:
        """Sleep, but not past a request to stop, which is then raised."""
        self._event.wait(seconds)
        self.check()


@contextmanager
def stopping_on_signals(stop: Stop) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a request to stop; a second one ends the process as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _frame: object) -> None:
        signal.signal(number, before[number])
        stop.request_by_signal()

    before: dict[int, Any] = {
        number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
