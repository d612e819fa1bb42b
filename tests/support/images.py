"""Image files as people bring them, whole and broken, written without the code under test."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def grey_slice(height: int = 48, width: int = 40) -> np.ndarray:
    """uint8 (H, W) with smooth and noisy parts."""
    noise = np.random.default_rng(7).integers(0, 60, (height, width))
    return (noise + np.linspace(0, 180, width)).astype(np.uint8)


def saved(picture: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow writes: `kind` is PNG, JPEG, ..."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of exactly these (kind, body) chunks, with right lengths and checksums."""
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return PNG_MAGIC + b"".join(parts)


def png_header(
    width: int, height: int, bits: int = 8, colour: int = 0, interlaced: int = 0
) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a whole PNG file, as `png` takes them."""
    chunks = []
    position = len(PNG_MAGIC)
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return chunks
