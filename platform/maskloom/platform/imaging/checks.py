"""What every image format agrees on: the one error for a bad file, and which sizes a slice may have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskloom.platform.errors import MaskloomError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Grey values of a slice, (H, W)."""

MIN_EDGE = 16
MAX_EDGE = 4096
"""A CT slice has 512 to 2048 pixels a side. The bound keeps a forged header from claiming gigabytes."""


class BadImage(MaskloomError):
    """A file that cannot be used as a slice or mask. Its message is a sentence: what is wrong, what to do."""


def check_size(width: int, height: int) -> None:
    """Refuse a size no slice has, from the header alone, before a pixel is decoded."""
    if not (MIN_EDGE <= width <= MAX_EDGE and MIN_EDGE <= height <= MAX_EDGE):
        raise BadImage(
            f"The image says it is {width} x {height} pixels; a slice has {MIN_EDGE} to {MAX_EDGE} a side. "
            "Export it at its own size."
        )
