"""Masks as pixels. Expert masks come in by `read_mask`; pseudo masks are kept soft, and cut for export.

Hard masks are uint8 of 0 and 255, soft masks uint8 0..255 (probability x 255); `binary` cuts soft to hard.
Both are stored by `formats.encode_png` and read by `formats.decode_grey8`, which leave 8 bits as they are.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.platform.imaging import png
from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.formats import detect_format

_FOREGROUND = (1, 255, 65535)


def read_mask(data: bytes, name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode and check one binary expert mask as somebody brought it.

    Args:
        data: the whole file: a PNG of one grey channel, 1, 8 or 16 bits, with 0 for background and one of 1,
            255 or 65535 for foreground. Colour is refused as for slices, even with equal channels.
        name: its name, which must agree with the content.
        size: (height, width) of its slice.

    Returns:
        uint8 (H, W) of 0 and 255.

    Raises:
        BadImage: whatever is wrong with the file. Nothing else is raised and nothing is warned.
    """
    if detect_format(data, name).name != "PNG":
        raise BadImage("The mask is a JPEG file, which blurs its edges: save masks as PNG.")
    pixels, _ = png.read_png(data)
    if pixels.shape != size:
        raise BadImage(
            f"The mask is {pixels.shape[1]} x {pixels.shape[0]} pixels but its slice is "
            f"{size[1]} x {size[0]}: save the mask at the slice's size."
        )
    values = np.flatnonzero(np.bincount(pixels.ravel())).tolist()
    foreground = [value for value in values if value != 0]
    if len(foreground) > 1 or not set(foreground) <= set(_FOREGROUND):
        shown = ", ".join(str(value) for value in values[:8]) + (", ..." if len(values) > 8 else "")
        raise BadImage(
            f"The mask holds the values {shown}; a binary mask holds 0 and 255, or 0 and 1, alone."
        )
    return np.where(pixels != 0, np.uint8(255), np.uint8(0))


def binary(soft: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A soft mask, uint8 0..255, as a hard one: 255 where it is 128 or more, a probability of one half."""
    _, hard = cv2.threshold(soft, 127, 255, cv2.THRESH_BINARY)
    return np.asarray(hard, np.uint8)
