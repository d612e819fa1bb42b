"""Where intervals stand on a common axis, for pictures of them in pages: places are per cent of its width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_MARGIN = 0.08
_MOST_TICKS = 4
_LEAST_WIDTH = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Values from `low` to `high`, with marks at `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> str:
        """The place of a value."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}%"


def axis_of(intervals: Iterable[Mapping[str, float]]) -> Axis:
    """The axis on which all of these intervals, each {low, high}, and 0 have room."""
    ends = [0.0, *(one[end] for one in intervals for end in ("low", "high"))]
    low, high = min(ends), max(ends)
    margin = _MARGIN * max(high - low, _LEAST_WIDTH)
    low, high = low - margin, high + margin
    step = _step(high - low)
    first = math.ceil(low / step)
    last = math.floor(high / step)
    return Axis(low=low, high=high, ticks=tuple(number * step for number in range(first, last + 1)))


def _step(width: float) -> float:
    """A round number that gives few marks."""
    size = 10.0 ** math.floor(math.log10(width / _MOST_TICKS))
    return next(size * factor for factor in (1, 2, 5, 10) if width / (size * factor) <= _MOST_TICKS)


def verdict(difference: Mapping[str, float]) -> str:
    """What an interval of a difference says: `better`, `worse`, or neither, `open`."""
    if difference["low"] > 0:
        return "better"
    return "worse" if difference["high"] < 0 else "open"
