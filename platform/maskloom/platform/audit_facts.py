"""The nouns of the audit trail: who did what, when, and from where. Frozen records, like those of `facts.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that somebody did: `action` (such as `run.started`) to `target`, by way of `via`, from `address`.

    `dataset` where it concerns one. Neither `target` nor `detail` ever holds a secret, or what is known of a patient.
    """

    who: str
    via: str
    address: str
    action: str
    target: str
    dataset: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An act in the trail. `number` counts from 1 without gaps; `hash` is over everything else and `previous`, the hash of the
    entry before (empty before the first)."""

    number: int
    at: datetime
    act: Act
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which entries somebody looks for: those to which all of it applies.

    `action` is a whole one (`run.started`) or the kind of several (`run`). Times are from `since` on and before `until`.
    """

    who: str | None = None
    action: str | None = None
    dataset: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest entry: how many there are, and its hash."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Where a trail is not what it was: the first entry of which that can be said, and in what way."""

    number: int
    reason: str
