"""The driver's side of the actors: a gang of trainers and a pool of labellers, made when first needed, rebuilt after any death.

Imports no torch: a run that only replays never loads it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from maskloom.pipelines.jobs import (
    EvaluateJob,
    LabelJob,
    SliceEvaluation,
    SliceLabel,
    TrainJob,
    TrainResult,
    WorkerSettings,
)
from maskloom.platform import cluster
from maskloom.platform.bootstrap import Platform
from maskloom.platform.cluster import Seats
from maskloom.platform.errors import MaskloomError, SettingsError, WorkerLost
from maskloom.platform.pool import Pool

if TYPE_CHECKING:
    from maskloom.pipelines.stopping import Stop
    from maskloom.pipelines.work import Work

T = TypeVar("T")

BATCHES_PER_TASK = 4
SAVE_STATE_EVERY_S = 45.0
TRAINER = "maskloom.pipelines.workers.trainer:Trainer"
LABELLER = "maskloom.pipelines.workers.labeller:Labeller"
_POLL_S = 0.1
_STOP_PATIENCE_S = 2.5


class Crew:
    """The actors of one run: `workers` trainers that train together, and as many labellers."""

    def __init__(self, platform: Platform, workers: int) -> None:
        self._platform = platform
        self._workers = workers
        self._gang: list[Any] = []
        self._pool = Pool(self._make_labeller, workers)
        self._seats: Seats | None = None

    def train(self, job: TrainJob, work: Work) -> TrainResult:
        """Run a stage to its end. A gang that loses a rank is rebuilt and goes on from its newest saved state."""
        if job.training.batch_size % self._workers:
            raise SettingsError(
                f"a batch of {job.training.batch_size} does not divide among {self._workers} workers",
                hint="Choose --workers so that it divides batch_size, or set another batch_size.",
            )
        saved = work.saved_digest()
        deaths_without_progress = 0
        while True:
            before = saved
            try:
                if not self._gang:
                    self._make_gang(work.stop)
                result = self._train_once(job, saved, work)
            except _GangLost as lost:
                saved = work.saved_digest()
                deaths_without_progress = deaths_without_progress + 1 if saved == before else 1
                self._end(self._gang)
                if deaths_without_progress >= cluster.MAX_DEATHS:
                    raise WorkerLost(
                        f"trainers died {deaths_without_progress} times without getting on: {lost}",
                        hint="Most often memory runs out: try fewer --workers or a smaller batch_size.",
                    ) from lost
                continue
            if result.digest is None:
                if result.saved is not None:
                    work.save_progress(result.saved)
                work.stop.check()
                raise AssertionError("a trainer stopped although nobody asked")
            return result

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
        self._end(self._gang)
        self._pool.close()
        if self._seats is not None:
            self._seats.give_back()
            self._seats = None

    def _train_once(self, job: TrainJob, saved: str | None, work: Work) -> TrainResult:
        import ray  # noqa: PLC0415

        with self._deaths_told():
            results = [cluster.call(trainer, "train", job, saved) for trainer in self._gang]
            unfinished = results
            while unfinished:
                ready, unfinished = ray.wait(unfinished, num_returns=len(unfinished), timeout=_POLL_S)
                for finished in ready:
                    cluster.result(finished)
                if unfinished:
                    saved = self._look(job, saved, work)
                    self._stop_gang_if_asked(results, work)
            first: TrainResult = cluster.result(results[0])
        return first

    @contextmanager
    def _deaths_told(self) -> Iterator[None]:
        """Raise _GangLost where a trainer has died."""
        from ray.exceptions import RayActorError  # noqa: PLC0415

        try:
            yield
        except MaskloomError:
            raise
        except RayActorError as error:
            raise _GangLost(str(error).splitlines()[0]) from error
        except Exception as error:
            # A rank whose neighbour died fails in its collective; the neighbour's death is what counts.
            if self._someone_died():
                raise _GangLost(str(error).splitlines()[0]) from error
            raise

    def _look(self, job: TrainJob, saved: str | None, work: Work) -> str | None:
        import ray  # noqa: PLC0415

        status = ray.get(cluster.call(self._gang[0], "status", job.key))
        if status is None:
            return saved
        work.report(
            status.step, status.total, loss=status.loss, dice=status.dice, images_per_s=status.images_per_s
        )
        if status.saved not in {None, saved}:
            work.save_progress(status.saved)
        return status.saved or saved

    def _stop_gang_if_asked(self, results: list[Any], work: Work) -> None:
        if not work.stop.requested:
            return
        import ray  # noqa: PLC0415

        ray.get([cluster.call(trainer, "stop") for trainer in self._gang])
        ready, _ = ray.wait(results, num_returns=len(results), timeout=_STOP_PATIENCE_S)
        if len(ready) < len(results):
            # In a step longer than people wait: what was saved before is what the next start goes on from.
            self._end(self._gang)
            work.stop.check()

    def _someone_died(self) -> bool:
        import ray  # noqa: PLC0415
        from ray.exceptions import RayActorError  # noqa: PLC0415

        for trainer in self._gang:
            try:
                ray.get(cluster.call(trainer, "status", ""), timeout=5)
            except (RayActorError, ray.exceptions.GetTimeoutError):
                return True
        return False

    def _make_gang(self, stop: Stop) -> None:
        with stop.at_once():  # Ray starts
            self._gang = [self._start(TRAINER, rank, seat=rank) for rank in range(self._workers)]
        with self._deaths_told():
            rendezvous = self._rendezvous(self._gang[0], stop) if self._workers > 1 else None
            self._answers([cluster.call(trainer, "join", rendezvous) for trainer in self._gang], stop)

    def _answers(self, calls: list[Any], stop: Stop) -> list[Any]:
        """What trainers answer that have no place yet, or load torch first: longer than people wait after a Ctrl-C."""
        import ray  # noqa: PLC0415

        unmet = calls
        while unmet:
            stop.check()
            met, unmet = ray.wait(unmet, num_returns=len(unmet), timeout=_POLL_S)
            for answered in met:
                cluster.result(answered)
        return [cluster.result(call) for call in calls]

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

    def _rendezvous(self, first: Any, stop: Stop) -> str:
        """Where the ranks meet: a file on one machine, where nothing then listens beyond loopback; else a port of rank 0."""
        if not self._local:
            return str(self._answers([cluster.call(first, "open_rendezvous")], stop)[0])
        folder = self._platform.settings.home / "rendezvous"
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / uuid.uuid4().hex).as_uri()

    def _end(self, actors: list[Any]) -> None:
        if actors:
            cluster.kill(actors)
            actors.clear()


class _GangLost(MaskloomError):
    """A trainer died."""
