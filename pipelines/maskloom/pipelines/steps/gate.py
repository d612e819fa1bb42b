"""Gate: decide which pseudo labels may be trained on. A gate is one function behind `GATES`; it sees scores, never pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.parameters import GateParameters
from maskloom.pipelines.steps.label import PseudoLabel, PseudoLabels
from maskloom.pipelines.work import Work
from maskloom.platform.facts import DatasetVersion, GateDecision
from maskloom.platform.fingerprint import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """The labels that were kept, and the slices whose label was refused.

    After a review `kept` has what readers made of labels of earlier rounds as well, and `withdrawn` are the slices of those
    whose label should not be learnt from any longer.
    """

    kept: PseudoLabels
    refused: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()


Refusal = Callable[[PseudoLabel], str | None]
"""Why a label is refused, as a sentence; None keeps it."""


def keep_all(_gate: GateParameters, _expert_areas: Sequence[float]) -> Refusal:
    """Keep every label (paper)."""
    return lambda _label: None


def confident(gate: GateParameters, _expert_areas: Sequence[float]) -> Refusal:
    """Keep labels that the network is sure of."""

    def refusal(label: PseudoLabel) -> str | None:
        uncertainty = label.scores["uncertainty"]
        if uncertainty <= gate.uncertainty:
            return None
        return f"uncertainty {uncertainty:.3f} is above {gate.uncertainty:.3f}"

    return refusal


def plausible_area(gate: GateParameters, expert_areas: Sequence[float]) -> Refusal:
    """Keep lesions as large as experts draw them. Empty masks pass: a slice without lesions is no outlier."""
    drawn = [area for area in expert_areas if area > 0]
    low, high = np.quantile(drawn, [gate.quantile, 1 - gate.quantile]) if drawn else (0.0, 1.0)

    def refusal(label: PseudoLabel) -> str | None:
        area = label.scores["area"]
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
        reasons = {label.label: refusal(label) for label in self.labels.labels}
        kept = tuple(label for label in self.labels.labels if reasons[label.label] is None)
        refused = tuple(label.slice for label in self.labels.labels if reasons[label.label] is not None)
        decisions = tuple(
            GateDecision(
                label=label, gate=self.gate.kind, step=self.key, kept=reason is None, reason=reason or "kept"
            )
            for label, reason in reasons.items()
        )
        gated = Gated(kept=PseudoLabels(digest=fingerprint(kept), labels=kept), refused=refused)
        return Outcome(output=gated, facts=decisions)
