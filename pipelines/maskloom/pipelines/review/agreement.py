"""How well readers agree: with each other on the same slices, and with experts on gold slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskloom.models.overlap import dice_of, hd95_of

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAgreement:
    """Two masks of one slice: Dice (0..1), HD95 in pixels, and whether the first and the second mark nothing.

    Conventions for empty masks are those of `models.metrics`: two empty ones agree fully.
    """

    dice: float
    hd95: float
    empty: tuple[bool, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two readers on `slices` that both have read: mean Dice, median HD95 in pixels, kappa for "marks nothing or something"."""

    slices: int
    dice: float
    hd95: float
    kappa: float


def agreement_on_slice(first: Mask, second: Mask) -> SliceAgreement:
    """Compare two masks (H, W) of 0 and 255."""
    a, b = first > 0, second > 0
    return SliceAgreement(dice=dice_of(a, b), hd95=hd95_of(a, b), empty=(not a.any(), not b.any()))


def agreement(slices: Sequence[SliceAgreement]) -> Agreement:
    """Sum up at least one slice."""
    return Agreement(
        slices=len(slices),
        dice=float(np.mean([one.dice for one in slices])),
        hd95=float(np.median([one.hd95 for one in slices])),
        kappa=kappa([one.empty for one in slices]),
    )


def kappa(judgements: Sequence[tuple[bool, bool]]) -> float:
    """Cohen's kappa of two readers' yes or no (Cohen 1960): 1 full agreement, 0 what chance would give.

    Where chance alone would make them agree always, because both have only ever said the same one thing, it is 1.
    """
    first, second = np.array(judgements, float).T
    agreed = float((first == second).mean())
    by_chance = float(first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean()))
    return 1.0 if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)
