"""How well labelling uses its actors: from one to many, whose network takes a fixed time, with object store and catalog."""

from __future__ import annotations

import time
from typing import Any

from bench import many_slices
from bench.data import bench_platform
from bench.fixed_time import in_fixed_time
from maskloom.pipelines import drive
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Progress

BATCH = 4
TASKS_EACH = 16
"""Tasks of four batches that each actor gets in the time that counts."""
_A_TASK = BATCH * 4
_STARTS_IN_S = 1.5
"""How long an actor may take to start, one after the other, while others work already."""


class FromTheFirst:
    """An observer that notes when the labels of a run came."""

    def __init__(self) -> None:
        self.came: list[tuple[int, float]] = []

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def done(self, kind: str, round_number: int | None, output: object) -> None: ...

    def progress(self, progress: Progress) -> None:
        if progress.kind == "label":
            self.came.append((progress.done, time.time()))


def measure(actors: int, seconds: float) -> dict[str, Any]:
    """Slices a second of `actors` that take `seconds` for each, against what they would do if all else cost nothing.

    It counts from when all actors have started; the last tasks of each do not count, who then waits for the others.
    """
    starting_s = actors * _STARTS_IN_S
    count = actors * ((TASKS_EACH + 4) * _A_TASK + round(starting_s / seconds))
    with in_fixed_time(seconds) as last_start, bench_platform() as platform:
        many_slices.fill(platform, count)
        run = many_slices.a_run(platform, count, batch_size=BATCH, seed=1)
        observer = FromTheFirst()
        drive.drive(platform, run, workers=actors, observer=observer, stop=Stop())
        there = last_start()
    at_work = [
        (done, at) for done, at in observer.came if at > there and done <= count - actors * 2 * _A_TASK
    ]
    return {
        "actors": actors,
        "seconds": seconds,
        "started_s": there - observer.came[0][1],
        "slices": at_work[-1][0] - at_work[0][0],
        "rate": _rate(at_work),
        "efficiency": _rate(at_work) * seconds / actors,
    }


def _rate(came: list[tuple[int, float]]) -> float:
    (first, began), (last, ended) = came[0], came[-1]
    return (last - first) / (ended - began)
