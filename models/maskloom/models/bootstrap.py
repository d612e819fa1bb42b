"""Measures of a set of slices with 95 % confidence intervals, and of two networks on the same set.

Intervals are percentiles of a bootstrap over slices (Efron 1979): the set is drawn again with replacement,
and each draw measured like the set itself. They say how far a figure depends on which slices were at hand.
Slices of one volume resemble each other, so with few volumes the true uncertainty is larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskloom.models.errors import ModelError
from maskloom.models.slice_measures import SliceMeasures, threshold_curves

_PLAIN_MEANS = (
    "dice",
    "sensitivity",
    "specificity",
    "s_measure",
    "e_measure",
    "mae",
    "hd95",
    "false_lesions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Estimate):
    """By how much one network exceeds another. `p`: two-sided, how easily draws of equal networks would differ so much."""

    p: float


def summarise(measures: Sequence[SliceMeasures], seed: int, resamples: int = 2000) -> dict[str, Estimate]:
    """Every measure over a set of slices.

    Args:
        measures: one a slice, all by the same convention.
        seed: of the bootstrap.
        resamples: how often the set is drawn again.

    Returns:
        mean_dice, mean_sensitivity, mean_specificity: per threshold the mean over slices, of these the mean.
        max_dice: per threshold the mean over slices, of these the greatest.
        dice, sensitivity, specificity, hd95 (pixels), false_lesions (per slice): at 0.5, mean over slices.
        s_measure, e_measure, mae: mean over slices.
        lesion_recall: found share of all lesions in the set, at 0.5.

    Raises:
        ModelError: no slices, or slices of two conventions.
    """
    draws = _draws(len(measures), seed, resamples)
    return _estimates(_of_whole(measures), _of_draws(measures, draws))


def paired_difference(
    first: Sequence[SliceMeasures], second: Sequence[SliceMeasures], seed: int, resamples: int = 2000
) -> dict[str, Difference]:
    """By how much the first network's measures exceed the second's, over the same slices in the same order.

    Both are measured on the same draws, so that what makes a slice hard for either cancels out. An interval
    that leaves out 0 speaks for a difference.

    Raises:
        ModelError: the slices or conventions differ, or there are none.
    """
    if [_slice_size(m) for m in first] != [_slice_size(m) for m in second]:
        raise ModelError("the two networks were measured on different slices, or by different conventions")
    draws = _draws(len(first), seed, resamples)
    whole, whole_second = _of_whole(first), _of_whole(second)
    drawn, drawn_second = _of_draws(first, draws), _of_draws(second, draws)
    differences = {name: drawn[name] - drawn_second[name] for name in drawn}
    estimates = _estimates({name: whole[name] - whole_second[name] for name in whole}, differences)
    return {
        name: Difference(value=one.value, low=one.low, high=one.high, p=_p_value(differences[name]))
        for name, one in estimates.items()
    }


def _p_value(differences: NDArray[np.float64]) -> float:
    """Twice the smaller share of draws on one side of 0; never 0, which no number of draws can show."""
    below, above = ((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, 2 * (int(min(below, above)) + 1) / (len(differences) + 1))


def _slice_size(measures: SliceMeasures) -> tuple[int, int, bool]:
    return sum(measures.inside), sum(measures.outside), measures.published


def _draws(slices: int, seed: int, resamples: int) -> NDArray[np.float64]:
    """(resamples, slices): how often each slice is drawn."""
    if not slices:
        raise ModelError("there are no slices to measure")
    counts = np.random.default_rng(seed).multinomial(slices, np.full(slices, 1 / slices), size=resamples)
    return counts.astype(np.float64)


def _of_whole(measures: Sequence[SliceMeasures]) -> dict[str, NDArray[np.float64]]:
    return _of_draws(measures, np.ones((1, len(measures))))


def _of_draws(
    measures: Sequence[SliceMeasures], draws: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Each measure of each draw (R, slices), as (R,)."""
    published = measures[0].published
    if any(m.published != published for m in measures):
        raise ModelError("the slices were measured by two conventions")
    weights = draws / len(measures)
    dice, sensitivity, specificity = threshold_curves(
        np.array([m.inside for m in measures]), np.array([m.outside for m in measures]), published=published
    )
    lesions = draws @ np.array([m.lesions for m in measures])
    found = draws @ np.array([m.lesions_found for m in measures])
    return {
        "mean_dice": weights @ dice.mean(axis=1),
        "max_dice": (weights @ dice).max(axis=1),
        "mean_sensitivity": weights @ sensitivity.mean(axis=1),
        "mean_specificity": weights @ specificity.mean(axis=1),
        "lesion_recall": np.where(lesions > 0, found / np.maximum(lesions, 1), 1.0),
        **{name: weights @ np.array([getattr(m, name) for m in measures]) for name in _PLAIN_MEANS},
    }


def _estimates(
    whole: dict[str, NDArray[np.float64]], drawn: dict[str, NDArray[np.float64]]
) -> dict[str, Estimate]:
    intervals = {name: np.percentile(values, [2.5, 97.5]) for name, values in drawn.items()}
    return {
        name: Estimate(value=float(value[0]), low=float(intervals[name][0]), high=float(intervals[name][1]))
        for name, value in whole.items()
    }
