"""One slice's measures, and the curves that its histograms hold: numbers alone. What measures is `metrics`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceMeasures:
    """One slice's measures: plain JSON by `dataclasses.asdict`, and back by `SliceMeasures(**values)`."""

    dice: float
    """At 0.5, as are `sensitivity`, `specificity`, `hd95` and the lesions."""
    sensitivity: float
    specificity: float
    s_measure: float
    e_measure: float
    """Mean over the 256 thresholds."""
    mae: float
    hd95: float
    """95th percentile Hausdorff distance in pixels, the larger of both directions."""
    lesions: int
    """Connected parts of the mask, ..."""
    lesions_found: int
    """... of which so many are covered to `metrics.FOUND` or more."""
    false_lesions: int
    """Connected parts of the prediction that touch no lesion."""
    inside: tuple[int, ...]
    """256 counts: how often the map takes each grey value inside the mask ..."""
    outside: tuple[int, ...]
    """... and outside; what Dice, sensitivity and specificity at every threshold are computed from."""
    published: bool
    """Whether by the published convention."""


def threshold_curves(
    inside: NDArray[np.int64], outside: NDArray[np.int64], *, published: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Dice, sensitivity and specificity, each (N, 256), from histograms (N, 256) inside and outside masks."""
    hits = np.cumsum(inside[:, ::-1], axis=1)[:, ::-1]
    false = np.cumsum(outside[:, ::-1], axis=1)[:, ::-1]
    lesion, healthy = hits[:, :1], false[:, :1]
    dice = _ratio(2 * hits, lesion + hits + false)
    sensitivity = _ratio(hits, lesion)
    specificity = _ratio(healthy - false, healthy)
    if published:
        return dice * (hits > 0), sensitivity * (hits > 0), specificity * (hits > 0)
    return dice, sensitivity, specificity


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Part of the whole, and 1 where the whole is nothing: there was nothing to get wrong."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
