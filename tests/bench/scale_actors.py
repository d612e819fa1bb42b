"""How well labelling uses its actors: from one to many, whose network takes a fixed time, with object store and catalog."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import many_slices
from bench.cores import CoreTime
from bench.data import bench_platform
from bench.fixed_time import in_fixed_time
from maskloom.pipelines import drive
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Progress

BATCH = 8  # as recipes have it
TASKS_EACH = 8
"""Tasks of four batches that each actor gets in the time that counts."""
_A_TASK = BATCH * 4
_STARTS_IN_S = 1.5
"""How long an actor may take to start, one after the other, while others work already."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How many labels there were, and what the cores had done until then."""

    done: int
    cores: CoreTime


class WhileAllWork:
    """An observer that notes the moment from which all actors work, and the last one before some have nothing left to do."""

    def __init__(self, started: Callable[[], int], actors: int) -> None:
        self._started = started
        self._actors = actors
        # An actor shares its time among two tasks, which end together: only whole turns of all are of equal length.
        self._turn = actors * 2 * _A_TASK
        self.first_labels_at = 0.0
        self.begin: Moment | None = None
        self.end: Moment | None = None

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def done(self, kind: str, round_number: int | None, output: object) -> None: ...

    def progress(self, progress: Progress) -> None:
        if progress.kind != "label":
            return
        self.first_labels_at = self.first_labels_at or time.monotonic()
        if self.begin is None and self._started() >= self._actors:
            self.begin = Moment(progress.done, CoreTime.now())
        elif self.begin is not None:
            within = (progress.done - self.begin.done) % self._turn
            if not within and progress.total - progress.done >= self._turn:
                self.end = Moment(progress.done, CoreTime.now())


def measure(actors: int, seconds: float) -> dict[str, Any]:
    """Slices a second of `actors` that take `seconds` for each, against what they would do if all else cost nothing.

    It counts from when all actors have started; the last tasks of each do not count, who then waits for the others.
    """
    starting_s = actors * _STARTS_IN_S
    count = actors * ((TASKS_EACH + 4) * _A_TASK + round(starting_s / seconds))
    with in_fixed_time(seconds) as started, bench_platform() as platform:
        many_slices.fill(platform, count)
        run = many_slices.a_run(platform, count, batch_size=BATCH, seed=1)
        observer = WhileAllWork(started, actors)
        drive.drive(platform, run, workers=actors, observer=observer, stop=Stop())
    begin, end = observer.begin, observer.end
    if begin is None or end is None:
        raise RuntimeError(f"{actors} actors were not all there before somebody had nothing left to do")
    rate = (end.done - begin.done) / (end.cores.at - begin.cores.at)
    return {
        "actors": actors,
        "seconds": seconds,
        "started_s": begin.cores.at - observer.first_labels_at,
        "slices": end.done - begin.done,
        "rate": rate,
        "efficiency": rate * seconds / actors,
        "busy": end.cores.since(begin.cores),
    }
