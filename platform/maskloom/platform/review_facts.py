"""The nouns of lists of reviews: how a review stands, who has how much to read, and what was made of each slice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from maskloom.platform.facts import AnswerKind, Purpose, VerdictKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCounts:
    """One review. `slices` of its round are shown, and of these so many decided; gold slices are counted apart.

    `assigned` and `answered` count what all readers have to read together, gold slices included. `median_s`: how long a
    reader takes for a mask, where the tool tells. `closed`: why it is closed, None while it is open.
    """

    id: str
    run: str
    dataset: str
    round: int | None
    opened_at: datetime
    closed: str | None
    closed_at: datetime | None
    slices: int
    gold: int
    assigned: int
    answered: int
    accepted: int
    corrected: int
    rejected: int
    disputed: int
    """Slices that wait for an adjudicator."""
    median_s: float | None

    @property
    def undecided(self) -> int:
        """Slices of the round without a verdict, without those that wait for an adjudicator."""
        return self.slices - self.accepted - self.corrected - self.rejected - self.disputed


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What one reader of one run was given, and what is left of it in reviews that are open."""

    run: str
    dataset: str
    reader: str
    given: int
    accepted: int
    corrected: int
    rejected: int
    left: int
    """Not answered yet, in reviews that are open."""
    to_decide: int
    """Of these, slices on which other readers disagree."""
    median_s: float | None
    oldest_at: datetime | None
    """When the first of what is left was handed out."""
    newest_at: datetime | None
    """When they answered last."""
    place: str | None
    """The address or folder at which they read."""


class ItemState(StrEnum):
    """How a slice of a review stands."""

    UNREAD = "unread"
    DISPUTED = "disputed"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"
    GOLD = "gold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one reader made of a slice; `kind` is None while they have not answered."""

    reader: str
    purpose: Purpose
    kind: AnswerKind | None
    label: str | None
    lead_time_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """A slice of a review: the label that is shown, how uncertain the network was of it (0 sure .. 1 unsure), and what came.

    `verdict` and `decided_by` as in `Verdict`; both None while there is none.
    """

    slice: str
    name: str
    width: int
    height: int
    label: str
    doubt: float
    state: ItemState
    answers: tuple[Given, ...]
    verdict: VerdictKind | None
    verdict_label: str | None
    decided_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """All that readers of open reviews have not answered: how much it is, and how old the oldest in seconds."""

    items: int
    oldest_s: float
