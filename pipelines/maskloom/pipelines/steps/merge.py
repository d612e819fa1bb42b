"""Merge: take the labels of a round into the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.steps.label import PseudoLabels
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import labels
from maskloom.platform.facts import DatasetVersion, Item, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge(Step[DatasetVersion]):
    """`base` with `labels` added, and the labels of the slices `without` taken away."""

    kind: ClassVar[str] = "merge"
    output_type: ClassVar[Any] = DatasetVersion

    base: DatasetVersion
    labels: PseudoLabels
    without: tuple[str, ...] = ()

    def run(self, work: Work) -> Outcome[DatasetVersion]:
        added = [
            Item(slice=label.slice, label=label.label, mask=label.mask, kind=label.kind)
            for label in self.labels.labels
        ] + [Item(slice=slice_) for slice_ in self.without]
        if not added:
            return Outcome(output=self.base)
        items = work.datasets.items(self.base)
        growth = labels.growth(self.base.dataset, added, Split.UNLABELLED, self.base, items)
        return Outcome(output=growth.version, facts=(growth,))
