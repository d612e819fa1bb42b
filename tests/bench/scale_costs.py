"""What maskloom costs by the slice when a network costs nothing: a run over so many slices, its memory and its catalog."""

from __future__ import annotations

import time
from typing import Any

import psutil
from sqlalchemy import text

from bench import many_slices
from bench.data import bench_platform
from bench.fixed_time import FixedTime, in_fixed_time
from maskloom.pipelines import drive
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Progress
from maskloom.platform.bootstrap import Platform

ACTORS = 2
BATCH = 16
MOMENTS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""How far labelling is when memory is looked at."""


class Onlooker:
    """An observer that notes how much memory is held while slices are labelled."""

    def __init__(self) -> None:
        self.memory: list[tuple[float, float, float]] = []
        """(share of the slices done, MiB of the driver, MiB of its largest actor)."""
        self.labelled: list[tuple[int, float]] = []
        """(labels, when they had come)."""
        self._waits_for = list(MOMENTS)

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def done(self, kind: str, round_number: int | None, output: object) -> None: ...

    def progress(self, progress: Progress) -> None:
        if progress.kind != "label":
            return
        self.labelled.append((progress.done, time.perf_counter()))
        if self._waits_for and progress.done / progress.total >= self._waits_for[0]:
            self.memory.append((self._waits_for.pop(0), *_memory()))

    def labelling_s(self) -> float:
        """Seconds for all labels, as quickly as they came after the first ones, for which Ray and actors have to start."""
        (first, began), (last, ended) = self.labelled[0], self.labelled[-1]
        return (ended - began) / (last - first) * last


def measure(count: int) -> dict[str, Any]:
    """Seconds by kind of step, memory, and bytes of the catalog before and after, for `count` slices."""
    with in_fixed_time(0.0), bench_platform() as platform:
        began = time.perf_counter()
        many_slices.fill(platform, count)
        filled_s = time.perf_counter() - began
        before = _catalog_bytes(platform)
        run = many_slices.a_run(platform, count, batch_size=BATCH, seed=1)
        created = _catalog_bytes(platform)
        onlooker = Onlooker()
        began = time.perf_counter()
        drive.drive(platform, run, workers=ACTORS, observer=onlooker, stop=Stop())
        return {
            "count": count,
            "filled_s": filled_s,
            "seconds": _seconds(platform, run.id) | {"label": onlooker.labelling_s()},
            "wall_s": time.perf_counter() - began,
            "memory": onlooker.memory,
            "bytes": [before, created, _catalog_bytes(platform)],
            "labels": _labels(platform),
        }


def _memory() -> tuple[float, float]:
    driver = psutil.Process()
    actors = [
        child.memory_info().rss
        for child in driver.children(recursive=True)
        if FixedTime.__name__ in child.name() or any(FixedTime.__name__ in part for part in child.cmdline())
    ]
    return driver.memory_info().rss / 2**20, max(actors) / 2**20


def _seconds(platform: Platform, run: str) -> dict[str, float]:
    with platform.database.connection() as connection:
        rows = connection.execute(
            text(
                "select s.kind, sum(r.seconds) as seconds from run_steps r join steps s on s.key = r.step "
                "where r.run = :run group by s.kind"
            ),
            {"run": run},
        )
        return {row.kind: row.seconds for row in rows}


def _catalog_bytes(platform: Platform) -> int:
    with platform.database.connection() as connection:
        size: int = connection.scalar(text("select pg_database_size(current_database())"))
        return size


def _labels(platform: Platform) -> int:
    with platform.database.connection() as connection:
        count: int = connection.scalar(text("select count(*) from label_versions where kind = 'pseudo'"))
        return count
