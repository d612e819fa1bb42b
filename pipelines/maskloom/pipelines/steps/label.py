"""Label: let a network give every slice of a group a soft mask, with the scores that gates and readers go by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.jobs import LabelJob, SliceLabel
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.work import Work
from maskloom.platform.facts import LabelKind, LabelVersion, Split
from maskloom.platform.fingerprint import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabel:
    """One label of a round: digests of the label, its slice and its mask, and its scores. A review may change its kind."""

    label: str
    slice: str
    mask: str
    scores: dict[str, float]
    kind: LabelKind = LabelKind.PSEUDO


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabels:
    """The labels of a group; `digest` is their fingerprint. `compute_s` is the actors' time in the network."""

    digest: str
    labels: tuple[PseudoLabel, ...]
    compute_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Step[PseudoLabels]):
    """Masks for `slices`, which are all of one split, from `model`.

    A slice where no pixel reaches 0.5 gets an empty mask, unless maps are stretched.
    """

    kind: ClassVar[str] = "label"
    output_type: ClassVar[Any] = PseudoLabels

    dataset: str
    slices: tuple[str, ...]
    network: NetworkParameters
    model: Trained
    prediction: PredictionParameters
    split: Split = Split.UNLABELLED

    def run(self, work: Work) -> Outcome[PseudoLabels]:
        masks = self._masks(work)
        records = [self._version(mask) for mask in masks]
        labels = tuple(
            PseudoLabel(label=record.digest, slice=record.slice, mask=record.mask, scores=record.scores)
            for record in records
        )
        return Outcome(
            output=PseudoLabels(
                digest=fingerprint(labels),
                labels=labels,
                compute_s=sum(mask.compute_s for mask in masks),
            ),
            facts=tuple(records),
            blobs=tuple((mask.mask, mask.size_bytes, "image/png") for mask in masks),
        )

    def _masks(self, work: Work) -> list[SliceLabel]:
        job = LabelJob(
            network=self.network, prediction=self.prediction, checkpoint=self.model.digest, slices=self.slices
        )
        saved = work.saved_progress()
        done = [SliceLabel(**label) for label in json.loads(saved)] if saved else []
        return work.crew.label(job, done=done, work=work)

    def _version(self, mask: SliceLabel) -> LabelVersion:
        return LabelVersion(
            digest=fingerprint({"slice": mask.slice, "mask": mask.mask, "step": self.key}),
            dataset=self.dataset,
            slice=mask.slice,
            split=self.split,
            kind=LabelKind.PSEUDO,
            mask=mask.mask,
            step=self.key,
            checkpoint=self.model.digest,
            scores=mask.scores,
        )
