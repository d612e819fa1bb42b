"""Sample: cut the pool into the groups of the rounds. A sampler is one function behind `SAMPLERS`."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, ClassVar

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.parameters import SamplerParameters
from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import labels
from maskloom.platform.facts import DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The pool in the order of labelling, cut into one group a round; the last may be smaller."""

    order: SliceList
    group_size: int

    def __len__(self) -> int:
        return math.ceil(self.order.size / self.group_size)

    def __iter__(self) -> Iterator[SliceList]:
        return self.order.cut(self.group_size)


Sampler = Callable[[Sequence[tuple[str, str]], random.Random], list[str]]
"""Puts (slice digest, volume) pairs, which come by volume and position, into the order of labelling."""


def random_order(slices: Sequence[tuple[str, str]], generator: random.Random) -> list[str]:
    """Every order is equally likely (paper)."""
    digests = [digest for digest, _ in slices]
    generator.shuffle(digests)
    return digests


def volume_order(slices: Sequence[tuple[str, str]], generator: random.Random) -> list[str]:
    """Random, but spread over volumes: one slice of each volume in turn, because neighbours in a volume look alike."""
    volumes: dict[str, list[str]] = defaultdict(list)
    for digest, volume in slices:
        volumes[volume].append(digest)
    decks = list(volumes.values())
    for deck in decks:
        generator.shuffle(deck)
    order = []
    for turn in zip_longest(*decks):
        drawn = [digest for digest in turn if digest is not None]
        generator.shuffle(drawn)
        order += drawn
    return order


SAMPLERS: dict[str, Sampler] = {"random": random_order, "volume": volume_order}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Step[Groups]):
    """Order the pool with a sampler and cut it into groups."""

    kind: ClassVar[str] = "sample"
    logic: ClassVar[int] = 2
    output_type: ClassVar[Any] = Groups

    pool: DatasetVersion
    sampler: SamplerParameters
    seed: int

    def run(self, work: Work) -> Outcome[Groups]:
        slices = work.platform.database.transaction(lambda c: labels.volumes(c, self.pool.digest))
        order = SAMPLERS[self.sampler.kind](slices, random.Random(self.seed))
        listed, blobs = work.put_list(order)
        groups = Groups(order=listed, group_size=self.sampler.group_size)
        return Outcome(output=groups, blobs=blobs)
