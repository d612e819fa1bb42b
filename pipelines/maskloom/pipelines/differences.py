"""Where the masks of two runs differ most, slice by slice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import comparing, news
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.imaging.masks import binary
from maskloom.platform.run_facts import Run

EACH = 150
"""How many slices are compared pixel by pixel because of their areas, and how many because networks are unsure of them."""
_READ_AT_ONCE = 32
_REMEMBERED_MASKS = 100_000
_REMEMBERED_RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A run's mask of a slice: its label's digest, the share of the slice that is lesion, and how unsure the network was."""

    label: str
    area: float
    uncertainty: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A slice that two runs have labelled otherwise. `difference` is 1 - Dice of the two masks, 1 where they share no pixel."""

    slice: str
    name: str
    volume: str
    position: int
    a: Drawn
    b: Drawn
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """The slices that were compared pixel by pixel, the most different first.

    `common` is how many slices both runs have labelled, `differing` on how many their masks are not the same. Where more
    differ than were compared, there may be others that differ more than some of these.
    """

    common: int
    differing: int
    slices: tuple[Difference, ...]


class Comparer:
    """Compares runs. What it has read once it remembers: masks by their content, runs by their newest step."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._of_masks: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._of_runs: OrderedDict[tuple[str, datetime, str, datetime], Differences] = OrderedDict()

    def compare(self, a: Run, b: Run) -> Differences:
        """Where the masks of two runs differ most. Raises ObjectMissing or ObjectCorrupt for a mask that cannot be read."""
        newest = self._platform.database.transaction(
            lambda c: [news.newest(c, one.id).step for one in (a, b)]
        )
        key = (a.id, newest[0], b.id, newest[1])
        if key not in self._of_runs:
            found = self._compared(a, b)
            _remember(self._of_runs, key, found, _REMEMBERED_RUNS)
            return found
        return self._of_runs[key]

    def _compared(self, a: Run, b: Run) -> Differences:
        def look(connection: Connection) -> tuple[int, int, Sequence[Row[Any]]]:
            return comparing.pairs(connection, a.id, b.id, EACH)

        common, differing, rows = self._platform.database.transaction(look)
        measured = self._measured([(row.mask_a, row.mask_b) for row in rows])
        slices = [_difference(row, measured[row.mask_a, row.mask_b]) for row in rows]
        slices.sort(key=lambda one: (-one.difference, one.slice))
        return Differences(common=common, differing=differing, slices=tuple(slices))

    def _measured(self, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], float]:
        known = {pair: self._of_masks[pair] for pair in pairs if pair in self._of_masks}
        unknown = [pair for pair in pairs if pair not in known]
        for start in range(0, len(unknown), _READ_AT_ONCE):
            some = unknown[start : start + _READ_AT_ONCE]
            files = self._platform.objects.get_many([mask for pair in some for mask in pair])
            masks = [binary(decode_grey8(file)) for file in files]
            for place, pair in enumerate(some):
                known[pair] = difference(masks[2 * place], masks[2 * place + 1])
                _remember(self._of_masks, pair, known[pair], _REMEMBERED_MASKS)
        return known


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """1 - Dice of two hard masks (H, W); 0 for two empty ones."""
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 1 - 2 * np.count_nonzero(a & b) / total if total else 0.0


def _difference(row: Row[Any], measured: float) -> Difference:
    return Difference(
        slice=row.slice,
        name=row.name,
        volume=row.volume,
        position=row.position,
        a=Drawn(label=row.label_a, area=row.area_a, uncertainty=row.uncertainty_a),
        b=Drawn(label=row.label_b, area=row.area_b, uncertainty=row.uncertainty_b),
        difference=measured,
    )


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    known[key] = value
    while len(known) > most:
        known.popitem(last=False)
