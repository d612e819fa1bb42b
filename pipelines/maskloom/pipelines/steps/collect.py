"""Collect: what reviews have decided since the last time, recorded so that a replay sees the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Connection

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.work import Waiting, Work
from maskloom.platform.catalog import answers, labels, reviews, step_labels
from maskloom.platform.facts import Verdict, VerdictKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A verdict on a slice, with the digests of the label and the mask that it gives, if it gives one.

    One that is open again gives the label that readers were shown, unless a gate had refused that.
    """

    slice: str
    kind: VerdictKind
    label: str | None
    mask: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The newest verdict on each slice that has one since the collection before; `until` numbers the last that was seen."""

    digest: str
    until: int
    verdicts: tuple[Decided, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect(Step[Collected]):
    """The verdicts of `reviews` that came after the collection `after`; with `wait` not before the last of them is closed."""

    kind: ClassVar[str] = "collect"
    logic: ClassVar[int] = 2
    output_type: ClassVar[Any] = Collected

    reviews: tuple[str, ...]
    after: Collected | None
    wait: bool

    def run(self, work: Work) -> Outcome[Collected]:
        """Raises Waiting while the review that it waits for is open."""
        return Outcome(output=work.platform.database.transaction(lambda c: self._collected(c, work.run.id)))

    def _collected(self, connection: Connection, run: str) -> Collected:
        if self.wait and reviews.closing(connection, self.reviews[-1]) is None:
            raise Waiting(self.reviews[-1])
        seen = self.after.until if self.after else 0
        verdicts = answers.newest_verdicts(connection, self.reviews, after=seen).values()
        given = labels.by_digest(connection, [verdict.label for verdict in verdicts if verdict.label])
        reopened = [verdict.slice for verdict in verdicts if verdict.kind is VerdictKind.OPEN]
        shown = step_labels.shown_and_kept(connection, run, self.reviews, reopened)

        def decided(verdict: Verdict) -> Decided:
            label, mask = verdict.label, given[verdict.label].mask if verdict.label else None
            if verdict.slice in shown:
                label, mask = shown[verdict.slice].label, shown[verdict.slice].mask
            return Decided(slice=verdict.slice, kind=verdict.kind, label=label, mask=mask)

        until = max([seen, *(verdict.number for verdict in verdicts)])
        ordered = sorted(verdicts, key=lambda verdict: verdict.slice)
        return Collected(digest=self.key, until=until, verdicts=tuple(map(decided, ordered)))
