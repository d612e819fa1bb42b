"""How two masks of one slice agree: for networks against experts (`metrics.py`), and for readers with each other.

What needs only these should not wait for the packages that the other measures come from.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray


def dice_of(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Dice of two masks (H, W); 1 where both are empty."""
    whole = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / whole if whole else 1.0


def hd95_of(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """95th percentile Hausdorff distance of two masks (H, W) in pixels; the diagonal where one of them is empty."""
    if not found.any() and not truth.any():
        return 0.0
    if not found.any() or not truth.any():
        return math.hypot(*truth.shape)
    # They take seconds, and most who compare masks, or only might, never get here.
    import torch  # noqa: PLC0415
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance  # noqa: PLC0415

    pair = (torch.from_numpy(mask[None, None]) for mask in (found, truth))
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that MONAI itself passes.
        warnings.simplefilter("ignore", FutureWarning)
        return float(compute_hausdorff_distance(*pair, include_background=True, percentile=95))
