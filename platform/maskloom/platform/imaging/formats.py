"""Bytes to slices and back. Ingest reads what people bring by `read_slice`, later steps by `decode_grey8`.

A format is one module with one function and one row in `FORMATS`, found by the file's first bytes. One rule
for all: a slice is a single grey channel of 8 or 16 bits. Colour is refused even where its channels are
equal: the next slice of such an export may carry coloured measurements, and it is turned grey easily where
it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.platform.imaging import jpeg, png
from maskloom.platform.imaging.checks import BadImage, Pixels

__all__ = ["BadImage", "DecodedSlice", "Pixels", "decode_grey8", "encode_png", "read_slice", "resize"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedSlice:
    """A slice as it was stored: `pixels` (H, W), uint8 or uint16 as `bits` (8 or 16) says."""

    pixels: Pixels
    width: int
    height: int
    bits: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One file format: how to know it and how to decode it to (H, W) uint8 or uint16."""

    name: str
    media_type: str
    magic: bytes
    suffixes: tuple[str, ...]
    decode: Callable[[bytes], Pixels]


def _decode_png(data: bytes) -> Pixels:
    pixels, bits = png.read_png(data)
    if bits < 8:
        raise BadImage(f"The PNG file has {bits} bit a pixel, too few for CT; save it with 8 or 16.")
    return pixels


FORMATS = (
    Format(name="PNG", media_type="image/png", magic=png.MAGIC, suffixes=(".png",), decode=_decode_png),
    Format(
        name="JPEG",
        media_type="image/jpeg",
        magic=jpeg.MAGIC,
        suffixes=(".jpg", ".jpeg"),
        decode=jpeg.read_jpeg,
    ),
)
_FAST_PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
)
"""Half the time of compression 1 alone, at the same size for slices and soft masks."""
SLICE_SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)


def read_slice(data: bytes, name: str) -> DecodedSlice:
    """Decode and check one slice as somebody brought it.

    Args:
        data: the whole file.
        name: its name; a known ending must agree with the content.

    Raises:
        BadImage: whatever is wrong with the file. Nothing else is raised and nothing is warned.
    """
    known = detect_format(data, name)
    pixels = known.decode(data)
    height, width = pixels.shape
    return DecodedSlice(
        pixels=pixels, width=width, height=height, bits=pixels.itemsize * 8, media_type=known.media_type
    )


def detect_format(data: bytes, name: str) -> Format:
    """The format of a file by its first bytes, or BadImage where they are unknown or belie its name."""
    if not data:
        raise BadImage("The file is empty: copy or export it again.")
    found = next((known for known in FORMATS if data.startswith(known.magic)), None)
    suffix = PurePosixPath(name).suffix.lower()
    promised = next((known for known in FORMATS if suffix in known.suffixes), found)
    if found is None:
        raise BadImage(f"The file is not {_choice()}, whatever its name ends in: export it as one of these.")
    if promised is not found:
        raise BadImage(f"The name ends in {suffix} but the file is a {found.name} file: rename it.")
    return found


def _choice() -> str:
    return " or ".join(known.name for known in FORMATS)


def encode_png(pixels: Pixels) -> bytes:
    """(H, W) uint8 or uint16 as a PNG file; the same pixels always give the same bytes."""
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 2:
        raise TypeError(f"a slice is (H, W) of uint8 or uint16, not {pixels.shape} of {pixels.dtype}")
    done, encoded = cv2.imencode(".png", pixels, _FAST_PNG)
    assert done, "PNG encoding of a valid array cannot fail"
    return encoded.tobytes()


def decode_grey8(data: bytes) -> NDArray[np.uint8]:
    """A stored slice, already checked by `read_slice`, as uint8 (H, W): what networks and the hash see.

    16 bits become 8 by `to_grey8`.

    Raises:
        BadImage: the bytes cannot be decoded.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if pixels is None or pixels.ndim != 2:
        # OpenCV refuses some files with stray chunks that are sound otherwise.
        pixels = read_slice(data, "").pixels
    return to_grey8(pixels)


def to_grey8(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W) uint16 as uint8; uint8 comes back as it is.

    The slice's own 0.5 and 99.5 percentiles become 0 and 255, for CT of 12 bits in a file of 16 would
    otherwise be black.
    """
    if pixels.dtype != np.uint16:
        return pixels.astype(np.uint8, copy=False)
    counts = np.cumsum(np.bincount(pixels.ravel(), minlength=1 << 16))
    low, high = np.searchsorted(counts, [0.005 * pixels.size, 0.995 * pixels.size])
    grey = (np.arange(1 << 16, dtype=np.float64) - low) * (255.0 / max(high - low, 1))
    table: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return table[pixels]


def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(H, W) uint8 to (height, width): averaged over areas where it shrinks, bilinear where it grows."""
    if pixels.shape == (height, width):
        return pixels
    shrinks = height * width < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8)
