"""How much of the time the GPU works, as NVIDIA's driver tells it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from maskloom.platform.gpus import gpus

_LOOK_EVERY_S = 0.1
_SETTLES_IN_S = 1.0
"""The driver's figure is of up to a second before."""


def busy_while(run: Callable[[], object], seconds: float = 4.0) -> float:
    """The share (0..1) of the time in which the first GPU worked on something while `run` was repeated."""
    until = time.monotonic() + seconds
    with watched() as looks:
        while time.monotonic() < until:
            run()
    return statistics.mean(looks)


@contextmanager
def watched() -> Iterator[list[float]]:
    """A list that gets the share in which the first GPU worked, again and again, but not in the first second."""
    looks: list[float] = []
    ended = Event()

    def look() -> None:
        wait_s = _SETTLES_IN_S
        while not ended.wait(wait_s):
            looks.append(gpus()[0].busy)
            wait_s = _LOOK_EVERY_S

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield looks
    finally:
        ended.set()
        watcher.join()
