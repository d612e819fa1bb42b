"""Grey JPEG, read strictly. Used by `formats` for slices; a mask is never a JPEG, which would blur its edge.

JPEG has no checksums: a flipped bit inside the picture shows as wrong pixels and cannot be told. A missing
end, an impossible size or colour can. Orientation and other metadata are dropped before decoding: pixels are
taken as they are stored, which is how the mask beside them was drawn.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskloom.platform.imaging.checks import BadImage, check_size

MAGIC = b"\xff\xd8\xff"

_START_OF_SCAN = 0xDA
_HUFFMAN_FRAMES = {0xC0, 0xC1, 0xC2}
_OTHER_FRAMES = set(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_METADATA = {*range(0xE0, 0xF0), 0xFE}
_WITHOUT_BODY = {0x01, *range(0xD0, 0xD9)}
MAX_SCANS = 100
"""A progressive JPEG has about ten scans, each a pass over the picture: thousands are there to block us."""
_TRUNCATED = "The JPEG file is cut short: copy or export it again."


def read_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode an 8-bit JPEG of one grey channel to uint8 (H, W).

    Raises:
        BadImage: damaged, cut short, in colour, of more than 8 bits, or of an impossible size.
    """
    segments, scan_start = _segments(data)
    _check_frame(segments)
    if data.find(b"\xff\xd9", scan_start) < 0:
        raise BadImage(_TRUNCATED)
    if data.count(b"\xff\xda", scan_start) > MAX_SCANS:
        raise BadImage(f"The JPEG file has more than {MAX_SCANS} scans: export it again as a plain JPEG.")
    picture = (
        b"\xff\xd8" + b"".join(raw for marker, raw in segments if marker not in _METADATA) + data[scan_start:]
    )
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG",)) as image:
            image.load()
            return np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadImage("The JPEG file's pixels cannot be decoded: export it again.") from error


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """(marker, whole segment) of everything before the first scan, and where that scan starts."""
    segments: list[tuple[int, bytes]] = []
    position = 2
    while True:
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        if position + 4 > len(data):
            raise BadImage(_TRUNCATED)
        if data[position] != 0xFF:
            raise BadImage("The JPEG file is damaged before its picture begins: copy or export it again.")
        marker = data[position + 1]
        if marker == _START_OF_SCAN:
            return segments, position
        length = 0 if marker in _WITHOUT_BODY else int.from_bytes(data[position + 2 : position + 4])
        segments.append((marker, data[position : position + 2 + length]))
        position += 2 + length


def _check_frame(segments: list[tuple[int, bytes]]) -> None:
    frames = [(m, raw) for m, raw in segments if m in _HUFFMAN_FRAMES or m in _OTHER_FRAMES]
    if len(frames) != 1 or len(frames[0][1]) < 10:
        raise BadImage("The JPEG file has no valid header: export it again.")
    marker, raw = frames[0]
    bits, height, width, channels = raw[4], int.from_bytes(raw[5:7]), int.from_bytes(raw[7:9]), raw[9]
    check_size(width, height)
    if marker not in _HUFFMAN_FRAMES or bits != 8:
        raise BadImage(
            f"The JPEG file is of a rare kind ({bits} bits, coding {marker - 0xC0}); save it as PNG."
        )
    if channels != 1:
        raise BadImage(
            "The JPEG file is in colour, also where its channels are equal; save it as one grey channel."
        )
