"""How well a probability map agrees with an expert's mask, slice by slice. `bootstrap` sums up many slices.

Maps are compared at the mask's own resolution, as grey values 0..255 (probability x 255, rounded). Threshold
k of 256 keeps pixels >= k; "at 0.5" is k = 128, where soft masks are cut for export as well. The measures
are those of the paper's section IV, S-measure, E-measure and MAE by PySODMetrics, and HD95 by MONAI. None is
ever undefined:

    measure         mask and map empty   mask empty, map not   mask not, map empty   published convention
    Dice            1                    0                     0                     0 wherever TP = 0
    sensitivity     1                    1                     0                     0 wherever TP = 0
    specificity     1                    TN / (TN + FP)        1                     0 wherever TP = 0
    S-measure       1                    1 - mean of the map   by its definition     the same
    E-measure       255/256              mean share of TN      by its definition     the same
    MAE             0                    mean of the map       share of the mask     the same
    HD95            0                    image diagonal        image diagonal        (not published)
    lesion recall   no lesion            no lesion             none found            (not published)
    false lesions   0                    all of them           0                     (not published)

A map is empty at a threshold when no pixel reaches it; the lowest, 0, keeps every pixel, hence the 255/256
(times n/(n-1) for n pixels, as E-measure is defined). Where a mask covers the whole slice, specificity is 1.
Lesion recall counts lesions over the whole set, so that slices without lesions take no part in it; in a set
without any it is 1.

The published evaluation also stretches every map to 0..255, which gives a map without lesions some:
`published=True`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from py_sod_metrics import MAE, Emeasure, Smeasure
from scipy import ndimage

from maskloom.models.errors import ModelError
from maskloom.models.overlap import hd95_of
from maskloom.models.slice_measures import SliceMeasures, threshold_curves

HALF = 128
"""The grey value from which a pixel counts as lesion, "at 0.5"."""
FOUND = 0.25
"""A lesion counts as found when at least this share of its pixels is predicted at 0.5."""
_TOUCHING = np.ones((3, 3), bool)
"""Pixels that meet at a corner belong to one lesion."""


def measure_slice(
    prediction: NDArray[np.uint8] | NDArray[np.floating],
    mask: NDArray[np.uint8] | NDArray[np.bool_],
    *,
    published: bool = False,
) -> SliceMeasures:
    """Compare a probability map with an expert's mask.

    Args:
        prediction: (H, W), uint8 0..255 or floating point 0..1.
        mask: (H, W), bool, or uint8 with 0 for background and one other value for lesion.
        published: as the published evaluation does, stretch the map so that its least and greatest value
            become 0 and 255 (a constant map stays as it is), and count Dice, sensitivity and specificity as
            0 where TP = 0.

    Raises:
        ModelError: unequal shapes, values out of range, or a mask that is not binary.
    """
    truth = _binary(mask)
    if prediction.shape != truth.shape:
        raise ModelError(
            f"the map is {prediction.shape} but the mask is {truth.shape}: resize the map to the mask"
        )
    grey = _grey(prediction, stretch=published)
    counts = np.bincount((grey.astype(np.int64) + 256 * truth).ravel(), minlength=512)
    dice, sensitivity, specificity = (
        float(curve[0, HALF])
        for curve in threshold_curves(counts[None, 256:], counts[None, :256], published=published)
    )
    found = grey >= HALF
    lesions, lesions_found, false_lesions = _count_lesions(found, truth)
    s_measure, e_measure, mae = _salient_object_measures(grey, truth)
    return SliceMeasures(
        dice=dice,
        sensitivity=sensitivity,
        specificity=specificity,
        s_measure=s_measure,
        e_measure=e_measure,
        mae=mae,
        hd95=hd95_of(found, truth),
        lesions=lesions,
        lesions_found=lesions_found,
        false_lesions=false_lesions,
        inside=tuple(counts[256:].tolist()),
        outside=tuple(counts[:256].tolist()),
        published=published,
    )


def _binary(mask: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.bool_]:
    truth = mask != 0
    if mask.ndim != 2 or (mask.dtype != bool and bool((mask[truth] != mask.max()).any())):
        raise ModelError("a mask is (H, W) with 0 for background and one other value for lesion")
    return truth


def _grey(prediction: NDArray[np.uint8] | NDArray[np.floating], *, stretch: bool) -> NDArray[np.uint8]:
    """The map as uint8 0..255."""
    values = prediction.astype(np.float64)
    if prediction.dtype != np.uint8:
        values *= 255
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):
        raise ModelError("a probability map is uint8 0..255 or floating point 0..1")
    if stretch and high > low:
        values = (values - low) * (255 / (high - low))
    return np.rint(values).astype(np.uint8)


def _salient_object_measures(grey: NDArray[np.uint8], truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    """S-measure (alpha 0.5), E-measure (mean over thresholds) and MAE."""
    probability = grey / 255
    structure, alignment, error = Smeasure(alpha=0.5), Emeasure(), MAE()
    # Smeasure splits the slice at the mask's centre and has no value for an empty quarter.
    bottom, right = (int(c) + 2 > n for c, n in zip(_centre(truth), truth.shape, strict=True))
    edge = ((0, bottom), (0, right))
    structure.step(np.pad(probability, edge), np.pad(truth, edge), normalize=False)
    alignment.step(probability, truth, normalize=False)
    error.step(probability, truth, normalize=False)
    e_measure = alignment.get_results()["em"]["curve"].mean()
    return float(structure.get_results()["sm"]), float(e_measure), float(error.get_results()["mae"])


def _centre(truth: NDArray[np.bool_]) -> tuple[float, float]:
    """The mask's centre of mass in rows and columns, rounded; (0, 0) for an empty one."""
    if not truth.any():
        return 0.0, 0.0
    rows, columns = np.nonzero(truth)
    return float(rows.mean().round()), float(columns.mean().round())


def _count_lesions(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Lesions in the mask, how many of them are found, and predicted ones that touch none."""
    lesions, count = ndimage.label(truth, _TOUCHING)
    predicted, predicted_count = ndimage.label(found, _TOUCHING)
    sizes = np.bincount(lesions.ravel(), minlength=count + 1)[1:]
    covered = np.bincount(lesions[found], minlength=count + 1)[1:]
    touching = np.unique(predicted[found & truth]).size
    return count, int((covered >= FOUND * sizes).sum()), predicted_count - touching
