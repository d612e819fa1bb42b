"""What came of a matrix: each group of cells that differ by their seed alone, and whether one is better than the others.

The best group is named only where that is no luck of the seeds: where it exceeds every other one by more than the 95 % interval
of their difference in Dice, in pairs of runs of the same seed (Student's t; by Bonferroni for so many others, since it is
seen only afterwards which one leads). All are measured on the same test slices: that others might say otherwise is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

FIGURE = "dice"
"""The measure by which groups are compared."""
_WRONG = 0.05
"""How often, at most, a group may be named the best that is not better than the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Mean and standard deviation over `n` seeds; one seed has no deviation."""

    n: int
    mean: float
    sd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """By how much a group's Dice differs from that of the leading one over their `n` common seeds, and its interval.

    The interval is None where seeds are too few for one.
    """

    n: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cells that differ by their seed alone. `dice`: that of each finished one, by seed.

    `behind` is None for the leading group, and for those that have no seed in common with it.
    """

    values: dict[str, str]
    cells: int
    dice: dict[int, float]
    measures: dict[str, Spread]
    behind: Behind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The groups in the order of the matrix. `leading` has the highest mean Dice; `best` is it where that is no luck."""

    groups: tuple[Group, ...]
    leading: int | None
    best: int | None
    verdict: str
    """What `best` says, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a cell has measured on the test split; nothing before its end, and where there are no test slices."""

    group: tuple[tuple[str, str], ...]
    seed: int
    measures: Mapping[str, float]


def summarise(results: Iterable[Result]) -> Summary:
    """Sum up the cells of a matrix."""
    grouped: dict[tuple[tuple[str, str], ...], list[Result]] = {}
    for result in results:
        grouped.setdefault(result.group, []).append(result)
    dice = [_by_seed(members, FIGURE) for members in grouped.values()]
    measured = [place for place, values in enumerate(dice) if values]
    leading = max(measured, key=lambda place: float(np.mean([*dice[place].values()])), default=None)
    others = [place for place in measured if place != leading]
    behind = {
        place: _behind(dice[place], dice[leading], len(others)) for place in others if leading is not None
    }
    groups = tuple(
        Group(
            values=dict(group),
            cells=len(members),
            dice=dice[place],
            measures=_spreads(members),
            behind=behind.get(place),
        )
        for place, (group, members) in enumerate(grouped.items())
    )
    proven = len(groups) == len(measured) > 1 and all(
        one is not None and one.high is not None and one.high < 0 for one in behind.values()
    )
    return Summary(
        groups=groups,
        leading=leading,
        best=leading if proven else None,
        verdict=_verdict(groups, leading, proven=proven),
    )


def _verdict(groups: Sequence[Group], leading: int | None, *, proven: bool) -> str:
    if leading is None:
        return "nothing was measured: no run has finished, or there are no test slices"
    if len(groups) == 1:
        return "there is nothing to compare it with"
    if proven:
        return "it is better than every other one by more than luck of the seeds explains"
    others = [group.behind for place, group in enumerate(groups) if place != leading]
    if any(one is None or one.high is None for one in others):
        return "nothing is called the best: that takes two seeds or more, finished by all"
    return "nothing is called the best: the differences may be luck of the seeds"


def _by_seed(members: Iterable[Result], measure: str) -> dict[int, float]:
    return {one.seed: one.measures[measure] for one in members if measure in one.measures}


def _spreads(members: Sequence[Result]) -> dict[str, Spread]:
    names = dict.fromkeys(name for member in members for name in member.measures)
    return {name: _spread([*_by_seed(members, name).values()]) for name in names}


def _spread(values: Sequence[float]) -> Spread:
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(n=len(values), mean=float(np.mean(values)), sd=sd)


def _behind(own: Mapping[int, float], leading: Mapping[int, float], comparisons: int) -> Behind | None:
    common = sorted(own.keys() & leading.keys())
    if not common:
        return None
    differences = [own[seed] - leading[seed] for seed in common]
    spread = _spread(differences)
    if spread.sd is None:
        return Behind(n=1, value=spread.mean, low=None, high=None)
    reach = float(stdtrit(spread.n - 1, 1 - _WRONG / 2 / comparisons)) * spread.sd / math.sqrt(spread.n)
    return Behind(n=spread.n, value=spread.mean, low=spread.mean - reach, high=spread.mean + reach)
