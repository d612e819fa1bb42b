"""What an ingest warns of: slices that it takes in, and that may yet spoil a split or belong elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from maskloom.platform.facts import Slice, Split
from maskloom.platform.imaging import phash


def about(fresh: Sequence[Slice], every: Sequence[Slice]) -> list[str]:
    """A sentence for each doubt about `fresh`: the newest of `every` slice of a data set, all for one split."""
    if not fresh:
        return []
    return _shared_volumes(fresh, every) + _taken_places(fresh, every) + _near_duplicates(fresh, every)


def _shared_volumes(fresh: Sequence[Slice], every: Sequence[Slice]) -> list[str]:
    """Volumes in the test split and in another one: neighbouring slices are almost equal."""
    splits: dict[str, set[Split]] = defaultdict(set)
    for item in every:
        if not _stands_alone(item):
            splits[item.volume].add(item.split)
    shared = {volume for volume, found in splits.items() if Split.TEST in found and len(found) > 1}
    return [
        f"volume {volume} is in the splits {' and '.join(sorted(splits[volume]))}: figures on the test split will flatter. "
        "Keep all slices of a volume, and of a patient, in one split."
        for volume in sorted(shared & {item.volume for item in fresh})
    ]


def _taken_places(fresh: Sequence[Slice], every: Sequence[Slice]) -> list[str]:
    """Volumes with two slices at one position: two patients, perhaps, whose files have the same names."""
    at = Counter((item.split, item.volume, item.position) for item in every)
    doubled = {item.volume: item.name for item in fresh if at[item.split, item.volume, item.position] > 1}
    return [
        f"volume {volume} has several slices at one position, such as {name}. If they are of several patients, take in the "
        "folder above theirs, so that its names tell them apart."
        for volume, name in sorted(doubled.items())
    ]


def _near_duplicates(fresh: Sequence[Slice], every: Sequence[Slice]) -> list[str]:
    """Slices that look like one of another split."""
    others = [item for item in every if item.split is not fresh[0].split]
    pairs = phash.near_pairs(
        np.array([item.perceptual_hash for item in fresh], np.int64),
        np.array([item.perceptual_hash for item in others], np.int64),
    )
    return [
        f"{fresh[new].name} looks like {others[old].name} of the split {others[old].split} ({bits} of 64 bits differ)"
        for new, old, bits in pairs
    ]


def _stands_alone(item: Slice) -> bool:
    """Whether the name tells of no volume (`naming.DEFAULT_PATTERN`): then equal names mean nothing."""
    return PurePosixPath(item.name).with_suffix("").as_posix() == item.volume
