"""How a run goes, in figures: round by round, training by training, and what its gates saw. Read while it goes on, too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row

from maskloom.pipelines.recipes import Recipe, SemiInfNet
from maskloom.pipelines.steps.train import Trained
from maskloom.platform.catalog import course
from maskloom.platform.run_facts import Run

PARTS = {
    "label": "label",
    "gate": "gate",
    "draw_gold": "review",
    "open_review": "review",
    "collect": "review",
    "merge": "train",
    "train": "train",
}
"""To which part of a round each kind of step belongs: label, gate, review or train."""
_TRAINED: TypeAdapter[Trained] = TypeAdapter(Trained)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCourse:
    """One round. What it has not come to yet is None. `seconds`: of each part (label, gate, review, train).

    `verdicts`: what readers made of masks, by kind. `loss` and `dice` are those of the last training batches, `slices` what
    was trained on, and `checkpoint` the network that came out.
    """

    number: int
    labels: int | None = None
    kept: int | None = None
    refused: int | None = None
    verdicts: dict[str, int] = field(default_factory=dict)
    slices: int | None = None
    loss: float | None = None
    dice: float | None = None
    images_per_s: float | None = None
    checkpoint: str | None = None
    seconds: dict[str, float]
    at: datetime
    """When its newest step was committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One training: `name` is supervised, round N, pretrain or final; `start` the optimiser steps that were before it."""

    number: int
    name: str
    round: int | None
    step: str
    start: int
    seconds: float
    at: datetime
    trained: Trained


def rounds_of(recipe: Recipe, pool: int) -> int:
    """How many rounds a run of `recipe` has, each of which labels a group of its pool of so many slices."""
    return math.ceil(pool / recipe.sampler.group_size) if isinstance(recipe, SemiInfNet) else 0


def rounds(connection: Connection, run: Run, after: int, limit: int) -> list[RoundCourse]:
    """The `limit` rounds after round `after`, those that the run has come to."""
    rows = course.rounds(connection, run.id, after, limit)
    return [_round(number, list(steps)) for number, steps in groupby(rows, key=lambda row: row.round)]


def _round(number: int, steps: list[Row[Any]]) -> RoundCourse:
    seconds: dict[str, float] = {}
    found: dict[str, Any] = {"verdicts": {}}
    for step in steps:
        part = PARTS[step.kind]
        seconds[part] = seconds.get(part, 0.0) + step.seconds
        match step.kind:
            case "label":  # the first one: a second one is of gold slices
                found.setdefault("labels", step.figures["labels"])
            case "gate":
                found |= step.figures
            case "collect":
                found["verdicts"] = step.figures
            case "train":
                found |= _of_training(step.figures)
    return RoundCourse(number=number, seconds=seconds, at=steps[-1].at, **found)


def _of_training(figures: dict[str, Any]) -> dict[str, Any]:
    _, loss, dice = figures["last"] or (None, None, None)
    return {
        "slices": figures["slices"],
        "loss": loss,
        "dice": dice,
        "images_per_s": figures["images_per_s"],
        "checkpoint": figures["digest"],
    }


def trainings(connection: Connection, run: Run, after: int, limit: int) -> list[Training]:
    """The next `limit` trainings after the one of that number, in their order; the first is 1."""
    names = list(training_names(kept=course.has_kept(connection, run.id)))
    return [
        Training(
            number=row.number,
            name=f"round {row.round}" if row.round is not None else names[row.alone - 1],
            round=row.round,
            step=row.key,
            start=row.start,
            seconds=row.seconds,
            at=row.at,
            trained=_TRAINED.validate_python(row.output),
        )
        for row in course.trainings(connection, run.id, after, limit)
    ]


def training_names(*, kept: bool) -> Iterator[str]:
    """The trainings outside of rounds, in order: on the experts' masks, then on what was kept, then on the experts' again."""
    return iter(["supervised", "pretrain", "final"] if kept else ["supervised", "final"])


@dataclass(frozen=True, slots=True, kw_only=True)
class GateScores:
    """How many labels gates kept and refused, by the score that they go by: one number for each equal part of 0..1.

    `limit` is what the gate allows, where it is one figure.
    """

    score: str
    kept: tuple[int, ...] = (0,) * course.SCORE_BINS
    refused: tuple[int, ...] = (0,) * course.SCORE_BINS
    limit: float | None = None
    newest: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def and_later(self, connection: Connection, run: Run) -> GateScores:
        """These, and those of the gates since."""
        rows = course.gate_scores(connection, run.id, self.score, self.newest)
        if not rows:
            return self
        return GateScores(
            score=self.score,
            kept=_added(self.kept, (row for row in rows if row.kept)),
            refused=_added(self.refused, (row for row in rows if not row.kept)),
            limit=self.limit,
            newest=max(row.newest for row in rows),
        )


def no_scores(run: Run) -> GateScores:
    """The scores of a run before its first gate: of which kind they will be, and where the limit is."""
    gate = run.recipe.get("gate", {"kind": "none"})
    if gate["kind"] == "area":
        return GateScores(score="area")
    return GateScores(
        score="uncertainty", limit=gate["uncertainty"] if gate["kind"] == "confidence" else None
    )


def _added(counts: tuple[int, ...], rows: Iterable[Row[Any]]) -> tuple[int, ...]:
    more = {row.bin: row.number for row in rows}
    return tuple(count + more.get(place, 0) for place, count in enumerate(counts))
