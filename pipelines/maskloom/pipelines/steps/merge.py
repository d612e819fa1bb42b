"""Merge: take the labels of a round into the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Connection

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import labels, step_labels
from maskloom.platform.facts import DatasetVersion, Item, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge(Step[DatasetVersion]):
    """`base` with what a gate let through, where readers left it: `corrected` goes before it, and of the slices `without`
    nothing is learnt any longer, whichever round their label is of."""

    kind: ClassVar[str] = "merge"
    output_type: ClassVar[Any] = DatasetVersion

    base: DatasetVersion
    gated: Gated | None
    corrected: tuple[Item, ...] = ()
    without: tuple[str, ...] = ()

    def run(self, work: Work) -> Outcome[DatasetVersion]:
        added = work.platform.database.transaction(self._added)
        if not added:
            return Outcome(output=self.base)
        items = work.datasets.items(self.base)
        growth = labels.growth(self.base.dataset, added, Split.UNLABELLED, self.base, items)
        return Outcome(output=growth.version, facts=(growth,))

    def _added(self, connection: Connection) -> list[Item]:
        said = {item.slice for item in self.corrected} | set(self.without)
        kept: list[Item] = []
        of_round: set[str] = set()
        if self.gated is not None:
            kept = [
                item for item in step_labels.kept(connection, self.gated.digest) if item.slice not in said
            ]
            of_round = step_labels.judged(connection, self.gated.digest, self.without)
        earlier = [Item(slice=slice_) for slice_ in self.without if slice_ not in of_round]
        return [*kept, *self.corrected, *earlier]
