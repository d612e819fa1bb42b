"""Actors that share a stream of tasks, however many of them there are just now: they may come late, die, freeze and be slow.

Tasks are drawn from their stream only when somebody has room for them, so that neither driver nor actors hold more than a few
however long it is. The first result of a task counts: doing one twice has to be harmless.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Generic, TypeVar

from maskloom.platform.cluster import MAX_DEATHS, call, kill, result
from maskloom.platform.errors import WorkerLost

T = TypeVar("T")

_POLL_S = 0.2
_AT_ONCE = 2
"""Tasks that an actor has at a time, so that it never waits for the next."""
_LATE_S, _TIMES_LATER = 5.0, 3.0
"""A task is given to somebody idle as well, once it takes that long and so many times what others took."""
_REMEMBERED = 100


@dataclass(eq=False, slots=True)
class _Worker:
    """An actor. `coming`: the call that it answers once it has a place and was made; it is given no task before."""

    actor: Any
    coming: Any
    tasks: set[int] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class _Task(Generic[T]):
    """A task that is not done yet. `since`: when it was last begun, or given to somebody else as well."""

    content: T
    since: float = 0.0
    workers: int = 0
    deaths: int = 0


class Pool:
    """`size` actors. Each is made by `start`, which is told its place in the pool, when tasks come and when it has died.

    `leaving` tells the places whose machine is about to go: who is there ends what it has begun, and moves.
    """

    def __init__(
        self,
        start: Callable[[int], Any],
        size: int,
        leaving: Callable[[], Collection[int]] = frozenset,
    ) -> None:
        self._start = start
        self._size = size
        self._leaving = leaving
        self._workers: list[_Worker] = []

    def do(self, method: str, tasks: Iterable[T], check: Callable[[], None]) -> Iterator[tuple[int, Any]]:
        """Have each of `tasks` done by `method`; yields (number of the task, its result) as they come in.

        A task that was at three deaths of actors raises WorkerLost. `check` is called a few times a second and may raise to
        stop.
        """
        if not self._workers:
            self._workers = [self._made(place) for place in range(self._size)]
        yield from _Shift(self._workers, self._made, self._leaving, method, tasks).work(check)

    def close(self) -> None:
        """End the actors."""
        if self._workers:
            kill([worker.actor for worker in self._workers])
            self._workers.clear()

    def _made(self, place: int) -> _Worker:
        actor = self._start(place)
        return _Worker(actor=actor, coming=actor.is_there.remote())


class _Shift(Generic[T]):
    """One stream of tasks, done by the workers of a pool."""

    def __init__(
        self,
        workers: list[_Worker],
        replace: Callable[[int], _Worker],
        leaving: Callable[[], Collection[int]],
        method: str,
        tasks: Iterable[T],
    ) -> None:
        self._workers = workers
        self._replace = replace
        self._leaving = leaving
        self._method = method
        self._source = enumerate(tasks)
        self._following = next(self._source, None)
        self._open: dict[int, _Task[T]] = {}
        self._again: list[int] = []
        """Tasks whose workers have died, the first one last."""
        self._calls: dict[Any, tuple[_Worker, int]] = {}
        self._took: list[float] = []
        self._stillborn = 0
        """Actors that died in the making, one after the other."""

    def work(self, check: Callable[[], None]) -> Iterator[tuple[int, Any]]:
        import ray  # noqa: PLC0415

        for worker in self._workers:
            worker.tasks.clear()  # of a shift that was stopped
        self._hand_out()
        while self._open or self._following:
            coming = [worker.coming for worker in self._workers if worker.coming is not None]
            ready, _ = ray.wait([*self._calls, *coming], timeout=_POLL_S)
            check()
            for reference in ready:
                if reference in self._calls:
                    yield from self._finished(reference)
                else:
                    self._came(reference)
            self._hand_out()

    def _came(self, reference: Any) -> None:
        from ray.exceptions import RayActorError  # noqa: PLC0415

        for place, worker in enumerate(self._workers):
            if worker.coming == reference:
                worker.coming = None
                try:
                    result(reference)
                    self._stillborn = 0
                except RayActorError as error:
                    self._stillborn += 1
                    if self._stillborn >= MAX_DEATHS:
                        raise WorkerLost(
                            f"workers die before they are ready: {str(error).strip().splitlines()[-1]}",
                            hint="The log of Ray says why. Most often memory runs out, or a node lacks what maskloom needs.",
                        ) from error
                    self._workers[place] = self._replace(place)

    def _finished(self, reference: Any) -> Iterator[tuple[int, Any]]:
        from ray.exceptions import OutOfMemoryError, RayActorError  # noqa: PLC0415

        worker, number = self._calls.pop(reference)
        worker.tasks.discard(number)
        task = self._open.get(number)
        if task is not None:
            task.workers -= 1
        try:
            done = result(reference)
        except (RayActorError, OutOfMemoryError) as error:
            self._bury(worker, number, error)
            return
        if task is not None:
            del self._open[number]
            self._took = [*self._took[-_REMEMBERED:], time.monotonic() - task.since]
            yield number, done

    def _bury(self, dead: _Worker, number: int, error: Exception) -> None:
        """Put another one in a dead worker's place; its tasks are given out again."""
        task = self._open.get(number)
        if task is not None:
            task.deaths += 1
            if task.deaths >= MAX_DEATHS:
                raise WorkerLost(
                    f"a worker died {MAX_DEATHS} times at the same task: {error}",
                    hint="Most often memory runs out: try fewer --workers or a smaller prediction.batch_size.",
                ) from error
        lost = {number}
        for reference, (worker, other) in list(self._calls.items()):
            if worker is dead:
                del self._calls[reference]
                lost.add(other)
                if other in self._open:
                    self._open[other].workers -= 1
        self._again += sorted((one for one in lost if self._is_orphan(one)), reverse=True)
        if dead in self._workers:
            place = self._workers.index(dead)
            self._workers[place] = self._replace(place)

    def _is_orphan(self, number: int) -> bool:
        task = self._open.get(number)
        return task is not None and task.workers == 0

    def _hand_out(self) -> None:
        leaving = self._leaving()
        for place in leaving:
            self._move(place)
        for load in range(_AT_ONCE):
            for place, worker in enumerate(self._workers):
                if worker.coming is None and len(worker.tasks) == load and place not in leaving:
                    number = self._next()
                    if number is None and not worker.tasks:
                        number = self._late()
                    if number is not None:
                        self._give(worker, number)

    def _move(self, place: int) -> None:
        """Have another one wait for a machine, once who works on that which goes has nothing left to do."""
        worker = self._workers[place]
        if worker.coming is None and not worker.tasks:
            kill([worker.actor])
            self._workers[place] = self._replace(place)

    def _give(self, worker: _Worker, number: int) -> None:
        task = self._open[number]
        task.workers += 1
        task.since = time.monotonic()
        worker.tasks.add(number)
        self._calls[call(worker.actor, self._method, task.content)] = worker, number

    def _next(self) -> int | None:
        """A task that nobody is at."""
        while self._again:
            number = self._again.pop()
            if self._is_orphan(number):
                return number
        if self._following is None:
            return None
        number, content = self._following
        self._open[number] = _Task(content=content)
        self._following = next(self._source, None)
        return number

    def _late(self) -> int | None:
        """The task that takes longest, where it takes too long, for somebody who has nothing else to do."""
        if not self._took:
            return None
        most_s = max(_LATE_S, _TIMES_LATER * median(self._took))
        late = [
            number
            for number, task in self._open.items()
            if task.workers == 1 and time.monotonic() - task.since > most_s
        ]
        return min(late, key=lambda number: self._open[number].since, default=None)
