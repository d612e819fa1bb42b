"""Label: let a network give every slice of a group a soft mask, with the scores that gates and readers go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.jobs import LabelJob, SliceLabel
from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import step_labels
from maskloom.platform.facts import LabelKind, LabelVersion, Split
from maskloom.platform.fingerprint import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabels:
    """The labels that the step `digest` made (`catalog.step_labels`): how many, and how many of them without lesion.

    `compute_s` is the actors' time in the network, without that of attempts which did not come to the end.
    """

    digest: str
    count: int
    empty: int
    compute_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Step[PseudoLabels]):
    """Masks for `slices`, which are all of one split, from `model`. Committed as they come in, however many there are.

    A slice where no pixel reaches 0.5 gets an empty mask, unless maps are stretched.
    """

    kind: ClassVar[str] = "label"
    output_type: ClassVar[Any] = PseudoLabels

    dataset: str
    slices: SliceList
    network: NetworkParameters
    model: Trained
    prediction: PredictionParameters
    split: Split = Split.UNLABELLED

    def run(self, work: Work) -> Outcome[PseudoLabels]:
        database, key = work.platform.database, self.key
        done = database.transaction(lambda c: step_labels.slices_of_step(c, key))
        job = LabelJob(
            network=self.network,
            prediction=self.prediction,
            checkpoint=self.model.digest,
            slices=work.datasets.slices(self.slices),
        )
        compute_s = 0.0
        for masks in work.crew.label(job, done, work):
            work.commit(
                [self._version(mask, key) for mask in masks],
                [(mask.mask, mask.size_bytes, "image/png") for mask in masks],
            )
            compute_s += sum(mask.compute_s for mask in masks)
        count, empty = database.transaction(lambda c: step_labels.counts(c, key))
        return Outcome(output=PseudoLabels(digest=key, count=count, empty=empty, compute_s=compute_s))

    def _version(self, mask: SliceLabel, key: str) -> LabelVersion:
        return LabelVersion(
            digest=fingerprint({"slice": mask.slice, "mask": mask.mask, "step": key}),
            dataset=self.dataset,
            slice=mask.slice,
            split=self.split,
            kind=LabelKind.PSEUDO,
            mask=mask.mask,
            step=key,
            checkpoint=self.model.digest,
            scores=mask.scores,
        )
