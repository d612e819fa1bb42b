"""One mask out of several readers'. A way to do so is one function behind `CONSENSUS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]


def majority(masks: Sequence[Mask]) -> Mask:
    """What more than half of the readers have marked; of two readers what both have.

    Args:
        masks: at least one (H, W) of 0 and 255.
    """
    votes = np.sum([mask > 0 for mask in masks], axis=0)
    return _mask(2 * votes > len(masks))


def staple(masks: Sequence[Mask]) -> Mask:
    """What is marked with probability one half or more, given how sensitive and specific each reader seems to be.

    Simultaneous truth and performance level estimation (Warfield, Zou, Wells, IEEE TMI 23(7), 2004). It has no answer where
    readers leave it nothing to estimate: masks that are all equal are the answer. The majority decides where somebody marks
    nothing, and where readers agree so little that the estimate contradicts what all of them say.

    Args:
        masks: at least one (H, W) of 0 and 255.
    """
    if all(np.array_equal(mask, masks[0]) for mask in masks) or not all(mask.any() for mask in masks):
        return majority(masks)
    import SimpleITK  # noqa: PLC0415 - a quarter of a second that other reviews need not pay

    images = [SimpleITK.GetImageFromArray((mask > 0).astype(np.uint8)) for mask in masks]
    probability = SimpleITK.GetArrayFromImage(SimpleITK.STAPLE(images, 1.0))
    marked = probability >= 0.5
    votes = np.sum([mask > 0 for mask in masks], axis=0)
    if marked[votes == 0].any() or not marked[votes == len(masks)].all():
        return majority(masks)
    return _mask(marked)


CONSENSUS: dict[str, Callable[[Sequence[Mask]], Mask]] = {"majority": majority, "staple": staple}


def _mask(marked: NDArray[np.bool_]) -> Mask:
    return np.where(marked, np.uint8(255), np.uint8(0))
