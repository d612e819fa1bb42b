"""Figures as people read them."""

from __future__ import annotations

import re

from markupsafe import Markup

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

STEPS = {
    "train": "training",
    "label": "labelling",
    "gate": "gate",
    "merge": "merging",
    "sample": "sampling",
    "evaluate": "evaluation",
}


def duration(seconds: float) -> str:
    """Such as 0.40 s, 34 s, 5 min 07 s or 1 h 05 min."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def count(number: int, noun: str) -> str:
    """Such as 1 slice, 1 600 slices."""
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"


def thousands(number: int) -> str:
    """Such as 1 600, with a thin space that does not break."""
    return f"{number:,}".replace(",", "\u202f")


def breakable(name: str) -> Markup:
    """A file name that may break after its separators, and is text all the same."""
    return Markup("<wbr>").join(re.findall(r"[^_./-]*[_./-]*", name))


def percent(share: float) -> str:
    """Such as 4.2 %, 0.03 % or 12 %."""
    value = 100 * share
    digits = 0 if value >= 10 or value == 0 else 1 if value >= 1 else 2
    return f"{value:.{digits}f}\u202f%"
