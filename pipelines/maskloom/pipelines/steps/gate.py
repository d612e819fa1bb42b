"""Gate: decide which pseudo labels may be trained on. A gate is one function behind `GATES`; it sees scores, never pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.parameters import GateParameters
from maskloom.pipelines.steps.label import PseudoLabels
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import step_labels
from maskloom.platform.facts import DatasetVersion, GateDecision, LabelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """How many labels the gate step `digest` let through and refused: which, say its decisions (`catalog.step_labels`)."""

    digest: str
    kept: int
    refused: int


Refusal = Callable[[Mapping[str, float]], str | None]
"""Why a label of these scores is refused, as a sentence; None keeps it."""


def keep_all(_gate: GateParameters, _expert_areas: Sequence[float]) -> Refusal:
    """Keep every label (paper)."""
    return lambda _scores: None


def confident(gate: GateParameters, _expert_areas: Sequence[float]) -> Refusal:
    """Keep labels that the network is sure of."""

    def refusal(scores: Mapping[str, float]) -> str | None:
        uncertainty = scores["uncertainty"]
        if uncertainty <= gate.uncertainty:
            return None
        return f"uncertainty {uncertainty:.3f} is above {gate.uncertainty:.3f}"

    return refusal


def plausible_area(gate: GateParameters, expert_areas: Sequence[float]) -> Refusal:
    """Keep lesions as large as experts draw them. Empty masks pass: a slice without lesions is no outlier."""
    drawn = [area for area in expert_areas if area > 0]
    low, high = np.quantile(drawn, [gate.quantile, 1 - gate.quantile]) if drawn else (0.0, 1.0)

    def refusal(scores: Mapping[str, float]) -> str | None:
        area = scores["area"]
        if area == 0 or low <= area <= high:
            return None
        return f"lesion area {area:.2%} of the slice is outside the experts' {low:.2%} to {high:.2%}"

    return refusal


GATES: dict[str, Callable[[GateParameters, Sequence[float]], Refusal]] = {
    "none": keep_all,
    "confidence": confident,
    "area": plausible_area,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Step[Gated]):
    """Apply a gate to the labels of one round; `experts` is the labelled set it may compare with."""

    kind: ClassVar[str] = "gate"
    output_type: ClassVar[Any] = Gated

    labels: PseudoLabels
    gate: GateParameters
    experts: DatasetVersion

    def run(self, work: Work) -> Outcome[Gated]:
        areas = [score["area"] for score in work.datasets.scores(self.experts)]
        refusal = GATES[self.gate.kind](self.gate, areas)
        key = self.key
        kept = refused = 0
        for labels in step_labels.portions_of_step(work.platform.database, self.labels.digest):
            decisions = [self._decision(label, refusal, key) for label in labels]
            work.commit(decisions)
            kept += sum(decision.kept for decision in decisions)
            refused += sum(not decision.kept for decision in decisions)
        return Outcome(output=Gated(digest=key, kept=kept, refused=refused))

    def _decision(self, label: LabelVersion, refusal: Refusal, key: str) -> GateDecision:
        reason = refusal(label.scores)
        return GateDecision(
            label=label.digest,
            gate=self.gate.kind,
            step=key,
            kept=reason is None,
            reason=reason or "kept",
        )
