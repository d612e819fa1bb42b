from __future__ import annotations

import random
from collections import Counter

import pytest

from maskloom.pipelines.steps.sample import SAMPLERS

POOL = [
    (f"{volume}{position}", volume)
    for volume, size in (("a", 40), ("b", 4), ("c", 16))
    for position in range(size)
]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_slice_comes_once_and_the_seed_decides_the_order(name: str) -> None:
    sampler = SAMPLERS[name]
    order = sampler(POOL, random.Random(1))
    assert sorted(order) == sorted(digest for digest, _ in POOL)
    assert order == sampler(POOL, random.Random(1))
    assert order != sampler(POOL, random.Random(2))
    assert sampler([], random.Random(1)) == []


def test_volume_takes_one_slice_of_each_volume_in_turn() -> None:
    volume_of = dict(POOL)
    order = SAMPLERS["volume"](POOL, random.Random(3))
    first = Counter(volume_of[digest] for digest in order[:12])
    assert first == {"a": 4, "b": 4, "c": 4}
    assert {volume_of[digest] for digest in order[-24:]} == {"a"}
