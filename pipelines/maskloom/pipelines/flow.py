"""Durable execution: do each step once, whatever dies.

A step is a frozen value; its key is the fingerprint of its kind, its logic version, its parameters and its inputs' digests.
`Flow.do` returns a committed output at once. Otherwise it takes the step's lease (whose epoch grows), runs the step, which puts
its blobs into the object store, and then commits output and facts in one transaction that checks the epoch. Killed anywhere,
the next start replays what was committed and goes on. What the steps do is in `steps/`, and their order in `semi_inf_net.py`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from opentelemetry.trace import StatusCode
from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.models.errors import ModelError
from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.pipelines.work import Blob, Waiting, Work
from maskloom.platform import failpoints
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, steps
from maskloom.platform.catalog.keeper import LeaseKeeper
from maskloom.platform.catalog.slices import add_blobs
from maskloom.platform.errors import CatalogUnavailable, LeaseLost, SettingsError
from maskloom.platform.facts import Fact
from maskloom.platform.fingerprint import fingerprint, plain
from maskloom.platform.run_facts import Run
from maskloom.platform.telemetry import span

T = TypeVar("T")

WAIT_FOR_OTHERS_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """What a step made: its output, the facts to commit with it, and the blobs that those refer to."""

    output: T
    facts: tuple[Fact, ...] = ()
    blobs: tuple[Blob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(ABC, Generic[T]):
    """A durable step: a frozen value that says what to do, and does it.

    Every field is identity. What must not change the result (workers, device, paths) comes with `Work`.
    """

    kind: ClassVar[str]
    logic: ClassVar[int] = 1
    """Raise it when the same inputs would now give another output."""
    output_type: ClassVar[Any]

    @property
    def identity(self) -> dict[str, Any]:
        inputs = {field.name: plain(getattr(self, field.name)) for field in fields(self)}
        return {"kind": self.kind, "logic": self.logic, "inputs": inputs}

    @property
    def key(self) -> str:
        """The identity's hash. Computed anew at every access: take it once, before a loop over slices."""
        return fingerprint(self.identity)

    @abstractmethod
    def run(self, work: Work) -> Outcome[T]:
        """Make the output. May be run again after any interruption, so it only adds blobs and changes nothing else."""


class Flow:
    """One run's way through its steps."""

    def __init__(self, platform: Platform, run: Run, work: Work, keeper: LeaseKeeper, stop: Stop) -> None:
        self._database = platform.database
        self._objects = platform.objects
        self._run = run
        self._work = work
        self._keeper = keeper
        self._stop = stop
        self._holder = leases.this_process()
        self._known: dict[str, Any] = self._database.transaction(
            lambda connection: steps.outputs_of_run(connection, run.id)
        )
        self.round: int | None = None

    def do(self, step: Step[T]) -> T:
        """The output of `step`, made now or long ago. Raises Stopped between steps when the run was asked to stop, and
        Waiting when the step waits for people."""
        key = step.key
        if key not in self._known:
            self._known[key] = self._make(step, key)
        output: T = _adapter(step.output_type).validate_python(self._known[key])
        self._work.observer.done(step.kind, self.round, output)
        return output

    def _make(self, step: Step[T], key: str) -> Any:
        asked = time.monotonic()
        while True:
            self._stop.check()
            answer = self._database.transaction(lambda connection: self._claim(connection, key))
            if isinstance(answer, _Committed):
                return answer.output
            if isinstance(answer, _Claim):
                return self._run_and_commit(step, key, answer, asked)
            self._work.observer.waiting(step.kind, self.round, str(answer))
            self._stop.wait(WAIT_FOR_OTHERS_S)

    def _claim(self, connection: Connection, key: str) -> _Committed | _Claim | leases.Holder:
        committed = steps.output(connection, key)
        if committed is not None:
            steps.add_to_run(connection, self._run.id, key, self.round, 0.0)
            return _Committed(output=committed)
        lease = leases.acquire(connection, f"step/{key}", self._holder)
        if isinstance(lease, leases.Holder):
            return lease
        if lease.epoch > leases.FIRST_EPOCH:
            # Whoever held the lease may have committed and released it between our look and our turn.
            committed = steps.output(connection, key)
            if committed is not None:
                leases.release(connection, lease)
                steps.add_to_run(connection, self._run.id, key, self.round, 0.0)
                return _Committed(output=committed)
        attempt = steps.begin_attempt(connection, key, self._run.id, lease.epoch, self._holder)
        return _Claim(lease=lease, attempt=attempt)

    def _run_and_commit(self, step: Step[T], key: str, claim: _Claim, asked: float) -> Any:
        failpoints.reach("leased", step.kind)
        traced = span(step.kind, {"maskloom.run": self._run.id, "maskloom.step": key})
        with self._keeper.keeping(claim.lease), traced as current:
            try:
                self._work.observer.started(step.kind, self.round)
                outcome = step.run(self._work.on(claim.lease, step.kind, self.round))
                failpoints.reach("ran", step.kind)
                # Every field, unlike in a fingerprint, where a digest stands for the rest.
                output = _adapter(step.output_type).dump_python(outcome.output, mode="json")
                leftover = self._database.transaction(
                    lambda connection: self._commit(connection, step, key, claim, outcome, output, asked)
                )
            except (LeaseLost, CatalogUnavailable):
                raise  # nothing can be recorded
            except (Stopped, Waiting):
                self._database.transaction(lambda connection: leases.release(connection, claim.lease))
                raise
            except Exception as error:
                current.set_status(StatusCode.ERROR)
                self._record_failure(claim, error)
                if isinstance(error, ModelError):  # a recipe names what is not to be had
                    raise SettingsError(str(error)) from error
                raise
        failpoints.reach("committed", step.kind)
        if leftover is not None:
            self._objects.delete(leftover)
        return output

    def _commit(
        self,
        connection: Connection,
        step: Step[T],
        key: str,
        claim: _Claim,
        outcome: Outcome[T],
        output: Any,
        asked: float,
    ) -> str | None:
        try:
            leftover = leases.finish(connection, claim.lease)
        except LookupError:
            if steps.committed_by(connection, key) == claim.attempt:
                return None  # the connection was lost after COMMIT was sent and before its answer came
            raise LeaseLost(
                f"another process took over the step {step.kind} {key[:12]} while this one was away",
                hint="Nothing is lost: run `maskloom resume` to follow what the other process commits.",
            ) from None
        add_blobs(connection, outcome.blobs)
        steps.add_output(connection, key, step.kind, step.identity, output, claim.attempt, outcome.facts)
        steps.add_to_run(connection, self._run.id, key, self.round, time.monotonic() - asked)
        failpoints.reach("committing", step.kind)
        return leftover

    def _record_failure(self, claim: _Claim, error: Exception) -> None:
        def record(connection: Connection) -> None:
            steps.fail_attempt(connection, claim.attempt, f"{type(error).__name__}: {error}")
            leases.release(connection, claim.lease)

        self._database.transaction(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Committed:
    output: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    lease: leases.Lease
    attempt: int


@cache
def _adapter(output_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(output_type)
