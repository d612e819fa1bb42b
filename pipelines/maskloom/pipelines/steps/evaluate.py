"""Evaluate: measure a network on slices with expert masks, at each mask's own size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.jobs import EvaluateJob
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.work import Work
from maskloom.platform.facts import Evaluation, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Each measure as {value, low, high} with its 95 % interval, and the slices one by one."""

    split: Split
    count: int
    estimates: dict[str, dict[str, float]]
    slices: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate(Step[Measured]):
    """Measure `model` on `pairs` of (slice digest, mask digest), which are those of `split` in `dataset`."""

    kind: ClassVar[str] = "evaluate"
    output_type: ClassVar[Any] = Measured

    dataset: str
    split: Split
    pairs: tuple[tuple[str, str], ...]
    network: NetworkParameters
    model: Trained
    prediction: PredictionParameters

    def run(self, work: Work) -> Outcome[Measured]:
        job = EvaluateJob(
            network=self.network,
            prediction=self.prediction,
            checkpoint=self.model.digest,
            pairs=self.pairs,
        )
        estimates, slices = work.crew.evaluate(job, work)
        measured = Measured(split=self.split, count=len(slices), estimates=estimates, slices=slices)
        fact = Evaluation(
            step=self.key,
            checkpoint=self.model.digest,
            dataset=self.dataset,
            split=self.split,
            measures={"count": len(slices), "estimates": estimates},
        )
        return Outcome(output=measured, facts=(fact,))
