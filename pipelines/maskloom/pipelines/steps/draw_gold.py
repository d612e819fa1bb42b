"""Draw gold: choose slices with an expert mask that readers get among the others."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.work import Work
from maskloom.platform.facts import DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """Digests of slices, in order."""

    slices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawGold(Step[Gold]):
    """`count` slices of `data`, or all of them if there are fewer."""

    kind: ClassVar[str] = "draw_gold"
    output_type: ClassVar[Any] = Gold

    data: DatasetVersion
    count: int
    seed: int

    def run(self, work: Work) -> Outcome[Gold]:
        known = sorted(item.slice for item in work.datasets.items(self.data))
        drawn = random.Random(self.seed).sample(known, min(self.count, len(known)))
        return Outcome(output=Gold(slices=tuple(sorted(drawn))))
