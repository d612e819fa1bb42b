"""Evaluate: measure a network on slices with expert masks, at each mask's own size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from maskloom.models.bootstrap import summarise
from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.models.slice_measures import SliceMeasures
from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.jobs import EvaluateJob, SliceEvaluation
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.work import Work
from maskloom.platform.facts import Evaluation, Split

FIGURES = (
    "dice",
    "sensitivity",
    "specificity",
    "s_measure",
    "e_measure",
    "mae",
    "hd95",
    "lesions",
    "lesions_found",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSlice:
    """One slice: digests of its image and of the predicted soft mask, and its figures at 0.5."""

    slice: str
    prediction: str
    figures: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Each measure as {value, low, high} with its 95 % interval, and the slices one by one.

    `details` is the blob with every slice's full `SliceMeasures` as JSON, for comparing two networks in pairs.
    """

    split: Split
    count: int
    estimates: dict[str, dict[str, float]]
    slices: tuple[MeasuredSlice, ...]
    details: str


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
        rows = work.crew.evaluate(job, work)
        details = json.dumps([{"slice": row.slice, **row.measures} for row in rows]).encode()
        measured = Measured(
            split=self.split,
            count=len(rows),
            estimates=_estimates(rows),
            slices=tuple(
                MeasuredSlice(
                    slice=row.slice,
                    prediction=row.prediction,
                    figures={name: row.measures[name] for name in FIGURES},
                )
                for row in rows
            ),
            details=work.platform.objects.put(details),
        )
        fact = Evaluation(
            step=self.key,
            checkpoint=self.model.digest,
            dataset=self.dataset,
            split=self.split,
            measures={"count": measured.count, "estimates": measured.estimates},
        )
        blobs = tuple((row.prediction, row.size_bytes, "image/png") for row in rows)
        return Outcome(
            output=measured,
            facts=(fact,),
            blobs=(*blobs, (measured.details, len(details), "application/json")),
        )


def _estimates(rows: Sequence[SliceEvaluation]) -> dict[str, dict[str, float]]:
    measures = [SliceMeasures(**row.measures) for row in rows]
    return {name: asdict(estimate) for name, estimate in summarise(measures, seed=0).items()}
