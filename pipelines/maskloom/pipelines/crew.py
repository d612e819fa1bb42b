"""The driver's side of the actors: a gang of trainers and a pool of labellers, made when first needed, rebuilt after any death.

Imports no torch: a run that only replays never loads it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from maskloom.pipelines.gang import Gang
from maskloom.pipelines.jobs import (
    EvaluateJob,
    LabelJob,
    SliceEvaluation,
    SliceLabel,
    TrainJob,
    TrainResult,
    WorkerSettings,
)
from maskloom.platform.bootstrap import Platform
from maskloom.platform.pool import Pool
from maskloom.platform.seats import Seats

if TYPE_CHECKING:
    from maskloom.pipelines.work import Work

T = TypeVar("T")

BATCHES_PER_TASK = 4
SAVE_STATE_EVERY_S = 45.0
TRAINER = "maskloom.pipelines.workers.trainer:Trainer"
LABELLER = "maskloom.pipelines.workers.labeller:Labeller"


class Crew:
    """The actors of one run: `workers` trainers that train together, and as many labellers."""

    def __init__(self, platform: Platform, workers: int) -> None:
        self._platform = platform
        self._workers = workers
        self._gang = Gang(
            self._make_trainer,
            workers,
            leaving=self._leaving,
            move=self._give_seats_back,
            meeting=platform.settings.home / "rendezvous" if self._local else None,
        )
        self._pool = Pool(self._make_labeller, workers, self._leaving)
        self._seats: Seats | None = None

    def train(self, job: TrainJob, work: Work) -> TrainResult:
        """Run a stage to its end."""
        return self._gang.train(job, work)

    def label(self, job: LabelJob, done: Collection[str], work: Work) -> Iterator[list[SliceLabel]]:
        """The labels of the slices of `job` but those `done`, some at a time, as they come in."""
        began, found = time.monotonic(), len(done)
        parts = self._parts(job.slices, job.prediction.batch_size)
        tasks = (replace(job, slices=part) for part in parts if not all(one in done for one in part))
        for _, labels in self._spread("label", tasks, work):
            yield labels
            found += len(labels)
            rate = (found - len(done)) / (time.monotonic() - began)
            work.report(found, len(job.slices), images_per_s=rate)

    def evaluate(self, job: EvaluateJob, work: Work) -> list[SliceEvaluation]:
        """The measures of each pair of `job`, in its order."""
        parts = list(self._parts(job.pairs, job.prediction.batch_size))
        results: dict[int, list[SliceEvaluation]] = {}
        for index, part in self._spread("evaluate", [replace(job, pairs=part) for part in parts], work):
            results[index] = part
            work.report(sum(len(found) for found in results.values()), len(job.pairs))
        return [row for index in range(len(parts)) for row in results[index]]

    def close(self) -> None:
        """End all actors."""
        self._gang.close()
        self._give_seats_back()

    def _give_seats_back(self) -> None:
        self._pool.close()  # its actors end with their seats
        if self._seats is not None:
            self._seats.give_back()
            self._seats = None

    def _make_trainer(self, rank: int) -> Any:
        return self._start(TRAINER, rank, rank)

    def _make_labeller(self, seat: int) -> Any:
        return self._start(LABELLER, 0, seat)

    def _start(self, actor: str, rank: int, seat: int) -> Any:
        cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
        settings = WorkerSettings(
            objects_url=self._platform.objects.url,
            threads=max(1, cores // self._workers) if self._local else None,
            rank=rank,
            world=self._workers,
            save_every_s=SAVE_STATE_EVERY_S,
        )
        return self._platform.cluster.start(actor, [settings], self._reserved(), seat)

    def _leaving(self) -> frozenset[int]:
        return self._seats.leaving() if self._seats is not None else frozenset()

    def _reserved(self) -> Seats:
        """A seat for each trainer, which a labeller shares: they take turns."""
        if self._seats is None:
            used, here = self._platform.settings, self._platform.cluster
            gpus = here.gpus() > 0 if used.ray_gpus is None else used.ray_gpus
            self._seats = here.reserve(self._workers, gpus=gpus, spread=used.ray_placement == "spread")
        return self._seats

    def _spread(self, method: str, tasks: Iterable[Any], work: Work) -> Iterator[tuple[int, Any]]:
        with work.stop.at_once():  # Ray starts
            self._platform.cluster.connect()
        return self._pool.do(method, tasks, work.stop.check)

    def _parts(self, items: Sequence[T], batch_size: int) -> Iterator[tuple[T, ...]]:
        # Whole batches, cut alike whoever works on them: the network's result depends a little on its batch.
        size = batch_size * BATCHES_PER_TASK
        for start in range(0, len(items), size):
            yield tuple(items[start : start + size])

    @property
    def _local(self) -> bool:
        return self._platform.cluster.address is None
