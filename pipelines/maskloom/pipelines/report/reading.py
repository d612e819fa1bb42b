"""What a report tells, read from the catalog in one go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.pipelines import recipes
from maskloom.pipelines.course import training_names
from maskloom.pipelines.history import MaskRecord, labels_of_run
from maskloom.pipelines.review.summary import ReviewSummary, summary
from maskloom.pipelines.steps.evaluate import Evaluate, Measured
from maskloom.pipelines.steps.gate import Gate
from maskloom.pipelines.steps.label import Label
from maskloom.pipelines.steps.train import Train, Trained
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, runs, slices, step_labels, steps
from maskloom.platform.facts import Evaluation, GateDecision, LabelKind, LabelVersion, Slice, Split
from maskloom.platform.run_facts import Run, RunStatus, StepRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One training: `name` is supervised, round N, pretrain or final."""

    name: str
    trained: Trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The pseudo labels of one round, as the gate parted them."""

    number: int
    kept: tuple[LabelVersion, ...]
    refused: tuple[LabelVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A network measured on a split; `masks` are the experts' where the data set is the run's own."""

    fact: Evaluation
    measured: Measured
    masks: dict[str, LabelVersion]
    seen: bool
    """Whether the network was trained on these very slices, which flatters it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything that the report says, before it is words and pictures."""

    run: Run
    status: RunStatus
    recipe: str
    changed: dict[str, Any]
    slices: dict[str, Slice]
    set_aside: int
    masks: list[MaskRecord]
    reviews: ReviewSummary
    stages: list[Stage]
    rounds: list[Round]
    reasons: Counter[str]
    """Why labels were refused, without the figures of the single label."""
    assessments: list[Assessment]
    """The final network on the run's own test split first, then the newest, what it was trained on last."""
    steps: list[StepRecord]
    events: list[tuple[str, dict[str, Any], datetime]]
    failures: list[dict[str, Any]]
    checkpoint: str | None

    @property
    def pseudo(self) -> list[MaskRecord]:
        """The masks that the network drew, and that nobody has checked."""
        return self.of_kind(LabelKind.PSEUDO)

    @property
    def experts(self) -> list[MaskRecord]:
        """The masks that experts drew beforehand."""
        return self.of_kind(LabelKind.EXPERT)

    @property
    def checked(self) -> list[MaskRecord]:
        """The masks that readers accepted or corrected."""
        return [*self.of_kind(LabelKind.ACCEPTED), *self.of_kind(LabelKind.CORRECTED)]

    def of_kind(self, kind: LabelKind) -> list[MaskRecord]:
        """The masks of one kind."""
        return [mask for mask in self.masks if mask.kind is kind]

    def count(self, split: Split) -> int:
        """How many slices a split has."""
        return sum(one.split is split for one in self.slices.values())

    def volumes(self, split: Split) -> int:
        """Of how many volumes a split is."""
        return len({one.volume for one in self.slices.values() if one.split is split})


def read(platform: Platform, run: Run) -> RunFacts:
    """Read the facts of `run` as they stand."""
    masks = labels_of_run(platform, run)
    reviews = summary(platform, run)
    return platform.database.transaction(lambda connection: _read(connection, run, masks, reviews))


def _read(connection: Connection, run: Run, masks: list[MaskRecord], reviews: ReviewSummary) -> RunFacts:
    taken = steps.of_run(connection, run.id)
    decisions = steps.decisions(connection, run.id)
    name, changed = recipes.closest(recipes.RECIPE.validate_python(run.recipe))
    return RunFacts(
        run=run,
        status=runs.status(connection, run.id),
        recipe=name,
        changed=changed,
        slices={one.digest: one for one in slices.of_dataset(connection, run.dataset)},
        set_aside=len(slices.quarantined(connection, run.dataset)),
        masks=masks,
        reviews=reviews,
        stages=list(_stages(taken)),
        rounds=list(_rounds(connection, taken, decisions)),
        reasons=Counter(_general(decision.reason) for decision in decisions if not decision.kept),
        assessments=_assessments(connection, run, taken),
        steps=taken,
        events=runs.events(connection, run.id),
        failures=steps.errors_of(connection, run.id),
        checkpoint=runs.final_checkpoint(connection, run.id),
    )


def _stages(taken: Sequence[StepRecord]) -> Iterator[Stage]:
    adapter = TypeAdapter(Trained)
    kept = any(step.output["kept"] for step in taken if step.kind == Gate.kind)
    alone = training_names(kept=kept)
    for step in taken:
        if step.kind == Train.kind:
            name = next(alone) if step.round is None else f"round {step.round}"
            yield Stage(name=name, trained=adapter.validate_python(step.output))


def _rounds(
    connection: Connection, taken: Sequence[StepRecord], decisions: Sequence[GateDecision]
) -> Iterator[Round]:
    kept = {decision.label: decision.kept for decision in decisions}
    for step in taken:
        if step.kind != Label.kind or step.round is None:
            continue
        made = step_labels.of_step(connection, step.key)
        if all(label.digest in kept for label in made):
            yield Round(
                number=step.round,
                kept=tuple(label for label in made if kept[label.digest]),
                refused=tuple(label for label in made if not kept[label.digest]),
            )


def _general(reason: str) -> str:
    """A gate's sentence without its first figure, which is the label's own; the others are the gate's limits."""
    return re.sub(r"\d[\d.,]*%?", "…", reason, count=1)


def _assessments(connection: Connection, run: Run, taken: Sequence[StepRecord]) -> list[Assessment]:
    outputs = {step.key: step.output for step in taken if step.kind == Evaluate.kind}
    adapter = TypeAdapter(Measured)
    found = [
        Assessment(
            fact=fact,
            measured=adapter.validate_python(outputs[fact.step]),
            masks=labels.expert_labels(connection, run.dataset, fact.split)
            if fact.dataset == run.dataset
            else {},
            seen=(fact.dataset, fact.split) == (run.dataset, Split.LABELLED),
        )
        for fact in reversed(steps.evaluations_of(connection, run.id))
    ]
    final = runs.final_checkpoint(connection, run.id)
    own = (run.dataset, Split.TEST, final)
    return sorted(
        found, key=lambda one: (one.seen, (one.fact.dataset, one.fact.split, one.fact.checkpoint) != own)
    )
