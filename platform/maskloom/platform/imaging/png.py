"""Grey PNG, read strictly. Used by `formats` for slices and by `masks` for masks.

Every chunk's length and checksum is verified here, and the decoder is given the pixel chunks alone: text,
colour profile and animation chunks, where forged files hide their surprises, never reach it.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from maskloom.platform.imaging.checks import BadImage, Pixels, check_size
from PIL import Image

MAGIC = b"\x89PNG\r\n\x1a\n"

_COLOUR = {
    2: "RGB colour, also where its channels are equal",
    3: "a colour palette",
    4: "grey with transparency",
    6: "colour with transparency",
}
_TRUNCATED = "The PNG file is cut short: copy or export it again."


def read_png(data: bytes) -> tuple[Pixels, int]:
    """Decode a PNG of one grey channel.

    Returns:
        Pixels (H, W) and the file's bits a pixel: uint16 at 16 bits, uint8 below; 1 bit is 0 and 1.

    Raises:
        BadImage: damaged, cut short, coloured, with palette or transparency, animated, of an impossible size.
    """
    chunks = _chunks(data)
    header = next((body for kind, body in chunks if kind == b"IHDR"), b"")
    if len(header) != 13 or chunks[0][0] != b"IHDR":
        raise BadImage("The PNG file does not begin with its header: export it again.")
    width, height, bits, colour = struct.unpack(">IIBB", header[:10])
    check_size(width, height)
    kinds = {kind for kind, _ in chunks}
    if colour in _COLOUR:
        raise BadImage(
            f"The PNG file holds {_COLOUR[colour]}; save it as one grey channel without transparency."
        )
    if b"tRNS" in kinds:
        raise BadImage("The PNG file marks a grey value as transparent; save it without transparency.")
    if b"acTL" in kinds:
        raise BadImage("The PNG file is an animation; save each of its slices as a file of its own.")
    try:
        with Image.open(io.BytesIO(_pixels_only(header, chunks)), formats=("PNG",)) as image:
            image.load()
            return (np.array(image, np.uint16) if bits == 16 else np.array(image, np.uint8)), bits
    except (OSError, SyntaxError, ValueError) as error:
        raise BadImage("The PNG file's pixels cannot be decoded: export it again.") from error


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """All (kind, body) up to the closing IEND, lengths and checksums verified."""
    chunks: list[tuple[bytes, bytes]] = []
    position = len(MAGIC)
    while not chunks or chunks[-1][0] != b"IEND":
        if position + 12 > len(data):
            raise BadImage(_TRUNCATED)
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise BadImage(_TRUNCATED)
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise BadImage("The PNG file is damaged, a checksum is wrong: copy or export it again.")
        chunks.append((kind, data[position + 8 : end - 4]))
        position = end
    return chunks


def _pixels_only(header: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """The same picture without any chunk that carries no pixels."""
    pixels = b"".join(body for kind, body in chunks if kind == b"IDAT")
    return MAGIC + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
