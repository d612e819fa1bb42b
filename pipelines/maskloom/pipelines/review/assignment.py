"""Who reads which slice. A way to assign is one function behind `ASSIGNMENTS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice

from maskloom.pipelines.parameters import ReviewParameters

Assigner = Callable[[Sequence[str], ReviewParameters, Mapping[str, int]], list[tuple[str, ...]]]
"""The readers of each slice, given the slices' volumes in the order of reading and how much each reader has left to read."""


def round_robin(
    volumes: Sequence[str], review: ReviewParameters, _load: Mapping[str, int]
) -> list[tuple[str, ...]]:
    """Each reader in turn."""
    turns = cycle(review.readers)
    return [tuple(islice(turns, review.readings)) for _ in volumes]


def by_load(
    volumes: Sequence[str], review: ReviewParameters, load: Mapping[str, int]
) -> list[tuple[str, ...]]:
    """Those who have least left to read."""
    left = {reader: load.get(reader, 0) for reader in review.readers}
    found = []
    for _ in volumes:
        those = sorted(left, key=left.__getitem__)[
            : review.readings
        ]  # stable: equals by their order in the recipe
        for reader in those:
            left[reader] += 1
        found.append(tuple(those))
    return found


def by_volume(
    volumes: Sequence[str], review: ReviewParameters, _load: Mapping[str, int]
) -> list[tuple[str, ...]]:
    """All slices of a volume the same readers, so that nobody has to read into it twice."""
    turns = cycle(review.readers)
    readers = {volume: tuple(islice(turns, review.readings)) for volume in dict.fromkeys(volumes)}
    return [readers[volume] for volume in volumes]


ASSIGNMENTS: dict[str, Assigner] = {"round-robin": round_robin, "load": by_load, "volume": by_volume}
