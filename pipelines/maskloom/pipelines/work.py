"""What a running step may use: stores, actors, its own saved progress, and a way to be told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Connection

from maskloom.pipelines.crew import Crew
from maskloom.pipelines.datasets import Datasets
from maskloom.pipelines.slice_lists import DIGEST_BYTES, SliceList, packed
from maskloom.pipelines.stopping import Stop
from maskloom.platform import failpoints
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, steps
from maskloom.platform.catalog.slices import add_blobs
from maskloom.platform.errors import LeaseLost, MaskloomError
from maskloom.platform.facts import Fact
from maskloom.platform.run_facts import Run

Blob = tuple[str, int, str]
"""(digest, size in bytes, media type) of what is in the object store already."""


class Waiting(MaskloomError):
    """The run goes on when a review is closed; until then it holds nothing."""

    exit_code = 75

    def __init__(self, review: str) -> None:
        super().__init__(
            "the run waits for its readers",
            hint="`maskloom review status` says how far they are. `maskloom resume` goes on when the review is closed.",
        )
        self.review = review

    def __reduce__(self) -> tuple[type[Waiting], tuple[str]]:
        return type(self), (self.review,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a step is: `done` of `total` units, and the newest figures."""

    kind: str
    round: int | None
    done: int
    total: int
    loss: float | None = None
    dice: float | None = None
    images_per_s: float | None = None


class Observer(Protocol):
    """Somebody who watches a run go on: a progress bar, a log, the report."""

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def done(self, kind: str, round_number: int | None, output: Any) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Work:
    """Everything a step may touch. One per run; `on` makes the one for a step."""

    platform: Platform
    run: Run
    datasets: Datasets
    crew: Crew
    stop: Stop
    observer: Observer
    say: Callable[[dict[str, Any]], None]
    """Publishes what the run is doing to other processes (`maskloom watch`)."""
    lease: leases.Lease | None = None
    kind: str = ""
    round: int | None = None

    def on(self, lease: leases.Lease, kind: str, round_number: int | None) -> Work:
        """This, for one step."""
        return replace(self, lease=lease, kind=kind, round=round_number)

    def report(self, done: int, total: int, **figures: float | None) -> None:
        """Tell whoever watches how far this step is. `figures`: loss, dice, images_per_s."""
        progress = Progress(kind=self.kind, round=self.round, done=done, total=total, **figures)
        self.observer.progress(progress)
        self.say({"kind": self.kind, "round": self.round, "done": done, "total": total, **figures})

    def put_list(self, slices: Iterable[str]) -> tuple[SliceList, tuple[Blob, ...]]:
        """Store these slices in this order; returns them by reference, with the blob to commit."""
        content = packed(slices)
        digest = self.platform.objects.put(content)
        listed = SliceList(order=digest, first=0, size=len(content) // DIGEST_BYTES)
        return listed, ((digest, len(content), "application/octet-stream"),)

    def commit(self, facts: Sequence[Fact], blobs: Sequence[Blob] = ()) -> None:
        """Insert facts of this step before it is done, if it is still this process that works on it.

        A fact that is there already stays as it is: the first one counts.
        """
        lease = self._held()

        def insert(connection: Connection) -> None:
            leases.confirm(connection, lease)
            add_blobs(connection, blobs)
            steps.add_facts(connection, facts)

        try:
            self.platform.database.transaction(insert)
        except LookupError:
            raise self._lost() from None
        failpoints.reach("progress_saved", self.kind)

    def saved_digest(self) -> str | None:
        """The blob that an earlier attempt at this step left as its progress."""
        lease = self._held()
        digest = self.platform.database.transaction(lambda c: leases.progress(c, lease.name))
        # Another step that saved the very same content deletes it when it ends: then this one starts over.
        return digest if digest is not None and self.platform.objects.has(digest) else None

    def save_progress(self, digest: str) -> None:
        """Keep the stored blob `digest` as how far this step is; the one before is dropped."""
        lease = self._held()
        try:
            before = self.platform.database.transaction(lambda c: leases.set_progress(c, lease, digest))
        except LookupError:
            raise self._lost() from None
        failpoints.reach("progress_saved", self.kind)
        if before is not None and before != digest:
            self.platform.objects.delete(before)

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"another process took over {self._held().name[:17]}", hint="Run `maskloom resume` to follow it."
        )

    def _held(self) -> leases.Lease:
        assert self.lease is not None, "only a running step has progress"
        return self.lease
