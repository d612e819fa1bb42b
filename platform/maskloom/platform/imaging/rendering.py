"""Slices and masks as PNG pictures for browsers: a grey slice below, and masks as transparent layers to lie over it.

The same arguments always give the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import LabelKind
from maskloom.platform.imaging.formats import decode_grey8, encode_png, read_slice, resize
from maskloom.platform.imaging.masks import binary

Colour = tuple[int, int, int]
COLOURS: dict[LabelKind, Colour] = {
    LabelKind.EXPERT: (86, 180, 233),
    LabelKind.CORRECTED: (0, 204, 150),
    LabelKind.ACCEPTED: (240, 228, 66),
    LabelKind.PSEUDO: (230, 159, 0),
}
"""Red, green and blue of each kind's masks. Of Okabe and Ito's palette, which people with colour-blindness can tell apart."""
SMALLEST, LARGEST = 16, 4096


class MaskStyle(StrEnum):
    """How a mask is drawn."""

    FILLED = "filled"
    OUTLINE = "outline"
    PROBABILITY = "probability"
    """The more a network is sure of a pixel, the denser and lighter."""


class Tint(StrEnum):
    """Which of two masks over one slice a mask is. Where both are, `screen` blending makes nearly white of them."""

    FIRST = "first"
    SECOND = "second"


TINTS: dict[Tint, Colour] = {Tint.FIRST: (86, 180, 233), Tint.SECOND: (230, 159, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The grey values that are shown, in the slice's own unit (HU for CT that says so): `width` of them around `level`."""

    level: float
    width: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.level) and math.isfinite(self.width) and self.width > 0):
            raise SettingsError(
                f"a window of level {self.level} and width {self.width} shows nothing",
                hint="Give a level and a width above 0, such as -600 and 1500 for lungs.",
            )


def slice_picture(
    stored: bytes, *, window: Window | None, intensity: dict[str, Any] | None, size: int | None
) -> bytes:
    """A stored slice as an 8-bit grey PNG.

    Args:
        stored: the slice's file.
        window: what is shown; None for what networks see (`decode_grey8`).
        intensity: how stored values map to the source's (`Slice.intensity`); None where they are the same.
        size: pixels of the longer side, for a smaller picture; None for the slice's own.

    Raises BadImage for bytes that are no slice, SettingsError for a size outside of 16..4096.
    """
    grey = decode_grey8(stored) if window is None else _windowed(stored, window, intensity or {})
    return encode_png(resize(grey, *_smaller(grey.shape, size)))


def mask_picture(mask: bytes, *, style: MaskStyle, colour: Colour, size: int | None) -> bytes:
    """A stored mask (`LabelVersion.mask`) as a PNG with transparency: nothing where there is no lesion.

    Raises BadImage for bytes that are no mask, SettingsError for a size outside of 16..4096.
    """
    soft = decode_grey8(mask)
    height, width = _smaller(soft.shape, size)
    if style is MaskStyle.PROBABILITY:
        return _as_probability(resize(soft, height, width))
    hard = binary(soft)
    if hard.shape != (height, width):
        # Averaged and cut at any lesion at all, so that small ones are still there when thumbnails are small.
        hard = np.where(resize(hard, height, width) > 0, np.uint8(255), np.uint8(0))
    if style is MaskStyle.OUTLINE:
        inside = cv2.erode(hard, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        hard = np.asarray(hard - inside, np.uint8)
    return _layer(np.broadcast_to(np.array(colour, np.uint8), (*hard.shape, 3)), hard)


def _windowed(stored: bytes, window: Window, intensity: dict[str, Any]) -> NDArray[np.uint8]:
    pixels = read_slice(stored, "").pixels
    values = np.arange(1 << 8 * pixels.itemsize) * float(intensity.get("slope", 1)) + float(
        intensity.get("intercept", 0)
    )
    shown = (values - (window.level - window.width / 2)) * (255 / window.width)
    table: NDArray[np.uint8] = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    return table[pixels]


def _smaller(shape: tuple[int, ...], size: int | None) -> tuple[int, int]:
    height, width = shape
    if size is None:
        return height, width
    if not SMALLEST <= size <= LARGEST:
        raise SettingsError(
            f"a picture of {size} pixels cannot be made", hint=f"Take {SMALLEST} to {LARGEST}."
        )
    share = min(1.0, size / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def _as_probability(soft: NDArray[np.uint8]) -> bytes:
    colours = cv2.cvtColor(cv2.applyColorMap(soft, cv2.COLORMAP_PLASMA), cv2.COLOR_BGR2RGB)
    return _layer(np.asarray(colours, np.uint8), soft)


def _layer(colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> bytes:
    layer = np.dstack([colours[..., ::-1], alpha])
    # What cannot be seen is all the same, and takes no bytes.
    layer[alpha == 0] = 0
    done, encoded = cv2.imencode(".png", layer, (cv2.IMWRITE_PNG_COMPRESSION, 1))
    assert done, "PNG encoding of a valid array cannot fail"
    return encoded.tobytes()
