"""What the measures of an evaluation are called, wherever people read them."""

from __future__ import annotations

from collections.abc import Iterable

MEASURES = {
    "dice": ("Dice at 0.5", "overlap of the network's mask with the expert's"),
    "mean_dice": ("Mean Dice", "Dice averaged over 256 thresholds"),
    "max_dice": ("Max Dice", "Dice at the best threshold"),
    "lesion_recall": ("Lesions found", "experts' lesions of which a quarter or more is covered"),
    "sensitivity": ("Sensitivity at 0.5", "share of lesion pixels that were found"),
    "specificity": ("Specificity at 0.5", "share of healthy pixels left alone"),
    "mean_sensitivity": ("Mean sensitivity", "averaged over 256 thresholds"),
    "mean_specificity": ("Mean specificity", "averaged over 256 thresholds"),
    "s_measure": ("S-measure", "likeness of structure"),
    "e_measure": ("E-measure", "likeness of alignment, over 256 thresholds"),
    "mae": ("MAE", "mean error of the probability map, 0 is best"),
    "hd95": ("HD95", "distance between the outlines in pixels, 95th percentile"),
    "false_lesions": ("False lesions", "predicted a slice, touching no real lesion"),
}
"""Name and meaning of each measure, in the order in which they are told."""


def measure_name(key: str) -> str:
    """A measure as readers know it."""
    return MEASURES[key][0] if key in MEASURES else key.replace("_", " ")


def in_order(keys: Iterable[str]) -> list[str]:
    """Measures in the order in which they are told; unknown ones last."""
    known = list(MEASURES)
    return sorted(keys, key=lambda key: known.index(key) if key in known else len(known))
