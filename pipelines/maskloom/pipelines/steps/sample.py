"""Sample: cut the pool into the groups of the rounds. A sampler is one function behind `SAMPLERS`."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, ClassVar

from maskloom.pipelines.flow import Outcome, Step
from maskloom.pipelines.parameters import SamplerParameters
from maskloom.pipelines.work import Work
from maskloom.platform.catalog import labels
from maskloom.platform.facts import DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The pool's slice digests, one tuple a round; every slice is in exactly one."""

    groups: tuple[tuple[str, ...], ...]


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
    output_type: ClassVar[Any] = Groups

    pool: DatasetVersion
    sampler: SamplerParameters
    seed: int

    def run(self, work: Work) -> Outcome[Groups]:
        slices = work.platform.database.transaction(lambda c: labels.volumes(c, self.pool.digest))
        order = SAMPLERS[self.sampler.kind](slices, random.Random(self.seed))
        size = self.sampler.group_size
        groups = tuple(tuple(order[start : start + size]) for start in range(0, len(order), size))
        return Outcome(output=Groups(groups=groups))
