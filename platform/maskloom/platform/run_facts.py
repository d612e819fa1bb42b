"""The nouns of runs: what is driven, for whom, and how far it is. Frozen records, like those of `facts.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from maskloom.platform.facts import DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a recipe on a data set as it stood. The same recipe, data and seed are the same run."""

    id: str
    recipe: dict[str, Any]
    dataset: str
    seed: int
    labelled: DatasetVersion
    pool: DatasetVersion
    created_at: datetime


class RunStatus(StrEnum):
    """What the facts say of a run. `queued`: a scheduler will drive it. `waiting`: for a review to close. `interrupted`:
    nobody drives it, and nobody asked for that."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    FINISHED = "finished"
    WAITING = "waiting"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a list of runs says of one. `owner` is who queued it last, None where nobody did.

    `recipe`: as JSON, the same text for the same recipe; lists have few over and over, which need not be read each time.
    `dice`: of its final network on the test split of its data set, once that was measured.
    """

    id: str
    dataset: str
    seed: int
    recipe: str
    pool: int
    status: RunStatus
    created_at: datetime
    owner: str | None
    rounds_done: int
    dice: dict[str, float] | None


class Priority(StrEnum):
    """How urgent a run is among those of its owner."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """How a queued run is to be driven: for whom, how urgently, and with how many trainers and labellers."""

    owner: str
    priority: Priority
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A run that schedulers should see to.

    `entry`: the event that queued it last. `since_s`: seconds since its state last changed: was queued, started, or its review
    closed. `deaths`: how often its driver has died since it was queued and since its newest step.
    """

    run: str
    entry: int
    ticket: Ticket
    since_s: float
    deaths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A committed step of a run."""

    key: str
    kind: str
    round: int | None
    output: Any
    seconds: float
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What somebody has seen of a run: all up to the event of that id, and the step that it took at that time."""

    event: int
    step: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something that happened to a run (`topic` is `run`) or a step that it took (`step`); `seen`: that, and all before."""

    run: str
    topic: str
    content: dict[str, Any]
    seen: Seen
