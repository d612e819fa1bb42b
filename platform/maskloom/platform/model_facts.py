"""The nouns of the model registry: named networks, and which a data set uses. Frozen records, like those of `facts.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Stage(StrEnum):
    """What a model is to its data set. The newest that was said of it counts."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    """The one that predictions and reviews may follow. A data set has one, or none yet."""
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The final network of a run, by a name within the data set of that run. `checkpoint` is the network's digest."""

    dataset: str
    name: str
    run: str
    checkpoint: str
    stage: Stage
    who: str
    at: datetime


class Grounds(StrEnum):
    """Why a model became the champion."""

    FIRST = "first"
    """It was measured, and there was no champion before it."""
    BETTER = "better"
    """It was measured on the same slices as the champion before it, and is better."""
    OVERRIDE = "override"
    """Somebody decided it, and said why."""
    ROLLBACK = "rollback"
    """It had been the champion before, and the one after it was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a promotion rests on.

    `evaluation` and `evaluation_before` are the steps that measured the network and the champion `before` it; `comparison`
    says how many `slices` both were measured on, and each measure's `differences` as {value, low, high, p}.
    """

    grounds: Grounds
    before: str | None
    reason: str | None = None
    evaluation: str | None = None
    evaluation_before: str | None = None
    comparison: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A model became the champion of a data set. `number` grows from promotion to promotion of a data set."""

    dataset: str
    number: int
    model: str
    evidence: Evidence
    who: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How a model did on the test split of its data set, the last time that it was measured there, by the step `step`.

    `estimates`: each measure as {value, low, high}. `details`: the blob of its measures slice by slice. `slices` of them there
    were, and `slice_set` is the same for two measurements on the same slices with the same expert masks.
    """

    step: str
    slices: int
    estimates: dict[str, dict[str, float]]
    details: str
    slice_set: str
