"""Trainers that train together, one rank each: made when first needed, rebuilt after any death, moved when a machine goes.

Imports no torch: a run that only replays never loads it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskloom.pipelines.jobs import TrainJob, TrainResult
from maskloom.platform import cluster
from maskloom.platform.errors import MaskloomError, SettingsError, WorkerLost

if TYPE_CHECKING:
    from maskloom.pipelines.stopping import Stop
    from maskloom.pipelines.work import Work

_POLL_S = 0.1
_STOP_PATIENCE_S = 2.5


class Gang:
    """`size` trainers, each made by `start`, which is told its rank.

    `leaving` tells the ranks whose machine is about to go, and `move` gives up all places for others. `meeting` is the folder
    in which the ranks find each other; without one, on several machines, they do so at a port of rank 0.
    """

    def __init__(
        self,
        start: Callable[[int], Any],
        size: int,
        *,
        leaving: Callable[[], Collection[int]],
        move: Callable[[], None],
        meeting: Path | None,
    ) -> None:
        self._start = start
        self._size = size
        self._leaving = leaving
        self._move = move
        self._meeting = meeting
        self._trainers: list[Any] = []

    def train(self, job: TrainJob, work: Work) -> TrainResult:
        """Run a stage to its end. A gang that loses a rank or a machine is rebuilt and goes on from its newest saved state."""
        if job.training.batch_size % self._size:
            raise SettingsError(
                f"a batch of {job.training.batch_size} does not divide among {self._size} workers",
                hint="Choose --workers so that it divides batch_size, or set another batch_size.",
            )
        saved = work.saved_digest()
        deaths_without_progress = 0
        while True:
            before = saved
            try:
                self._assemble(work.stop)
                result = self._train_once(job, saved, work)
            except _RankLost as lost:
                saved = work.saved_digest()
                deaths_without_progress = deaths_without_progress + 1 if saved == before else 1
                self.close()
                if deaths_without_progress >= cluster.MAX_DEATHS:
                    raise WorkerLost(
                        f"trainers died {deaths_without_progress} times without getting on: {lost}",
                        hint="Most often memory runs out: try fewer --workers or a smaller batch_size.",
                    ) from lost
                continue
            if result.digest is not None:
                return result
            # Asked to stop, by whoever stops the run or because a machine goes.
            if result.saved is not None:
                work.save_progress(result.saved)
                saved = result.saved
            work.stop.check()

    def close(self) -> None:
        """End the trainers."""
        if self._trainers:
            cluster.kill(self._trainers)
            self._trainers.clear()

    def _assemble(self, stop: Stop) -> None:
        if self._leaving():
            self.close()
            self._move()
        if self._trainers:
            return
        with stop.at_once():  # Ray starts
            self._trainers = [self._start(rank) for rank in range(self._size)]
        with self._deaths_told():
            rendezvous = self._rendezvous(self._trainers[0], stop) if self._size > 1 else None
            self._answers([cluster.call(trainer, "join", rendezvous) for trainer in self._trainers], stop)

    def _rendezvous(self, first: Any, stop: Stop) -> str:
        """Where the ranks meet: a file on one machine, where nothing then listens beyond loopback; else a port of rank 0."""
        if self._meeting is None:
            return str(self._answers([cluster.call(first, "open_rendezvous")], stop)[0])
        self._meeting.mkdir(parents=True, exist_ok=True)
        return (self._meeting / uuid.uuid4().hex).as_uri()

    def _answers(self, calls: list[Any], stop: Stop) -> list[Any]:
        """What trainers answer that have no place yet, or load torch first: longer than people wait after a Ctrl-C."""
        import ray  # noqa: PLC0415

        unmet = calls
        while unmet:
            stop.check()
            self._leaving()  # says so when the cluster is lost
            met, unmet = ray.wait(unmet, num_returns=len(unmet), timeout=_POLL_S)
            for answered in met:
                cluster.result(answered)
        return [cluster.result(call) for call in calls]

    def _train_once(self, job: TrainJob, saved: str | None, work: Work) -> TrainResult:
        import ray  # noqa: PLC0415

        with self._deaths_told():
            results = [cluster.call(trainer, "train", job, saved) for trainer in self._trainers]
            unfinished = results
            while unfinished:
                ready, unfinished = ray.wait(unfinished, num_returns=len(unfinished), timeout=_POLL_S)
                for finished in ready:
                    cluster.result(finished)
                if unfinished:
                    saved = self._look(job, saved, work)
                    if self._leaving() or work.stop.requested:
                        ray.get([cluster.call(trainer, "stop") for trainer in self._trainers])
                    self._end_if_late(results, work.stop)
            first: TrainResult = cluster.result(results[0])
        return first

    def _look(self, job: TrainJob, saved: str | None, work: Work) -> str | None:
        import ray  # noqa: PLC0415

        status = ray.get(cluster.call(self._trainers[0], "status", job.key))
        if status is None:
            return saved
        work.report(
            status.step, status.total, loss=status.loss, dice=status.dice, images_per_s=status.images_per_s
        )
        if status.saved not in {None, saved}:
            work.save_progress(status.saved)
        return status.saved or saved

    def _end_if_late(self, results: list[Any], stop: Stop) -> None:
        if not stop.requested:
            return
        import ray  # noqa: PLC0415

        ready, _ = ray.wait(results, num_returns=len(results), timeout=_STOP_PATIENCE_S)
        if len(ready) < len(results):
            # In a step longer than people wait: what was saved before is what the next start goes on from.
            self.close()
            stop.check()

    @contextmanager
    def _deaths_told(self) -> Iterator[None]:
        """Raise _RankLost where a trainer has died."""
        from ray.exceptions import RayActorError  # noqa: PLC0415

        try:
            yield
        except MaskloomError:
            raise
        except RayActorError as error:
            raise _RankLost(str(error).splitlines()[0]) from error
        except Exception as error:
            # A rank whose neighbour died fails in its collective; the neighbour's death is what counts.
            if self._someone_died():
                raise _RankLost(str(error).splitlines()[0]) from error
            raise

    def _someone_died(self) -> bool:
        import ray  # noqa: PLC0415
        from ray.exceptions import RayActorError  # noqa: PLC0415

        for trainer in self._trainers:
            try:
                ray.get(cluster.call(trainer, "status", ""), timeout=5)
            except (RayActorError, ray.exceptions.GetTimeoutError):
                return True
        return False


class _RankLost(MaskloomError):
    """A trainer died."""
