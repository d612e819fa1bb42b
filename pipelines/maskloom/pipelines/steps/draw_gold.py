"""Draw gold: choose slices with an expert mask that readers get among the others."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.work import Work
from maskloom.platform.facts import DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawGold(Step[SliceList]):
    """`count` slices of `data`, or all of them if there are fewer."""

    kind: ClassVar[str] = "draw_gold"
    logic: ClassVar[int] = 2
    output_type: ClassVar[Any] = SliceList

    data: DatasetVersion
    count: int
    seed: int

    def run(self, work: Work) -> Outcome[SliceList]:
        known = sorted(item.slice for item in work.datasets.items(self.data))
        drawn = random.Random(self.seed).sample(known, min(self.count, len(known)))
        listed, blobs = work.put_list(sorted(drawn))
        return Outcome(output=listed, blobs=blobs)
