"""Grey PNG, read strictly. Used by `formats` for slices and by `masks` for masks.

Every chunk's length and checksum is verified here, and the decoder is given the pixel chunks alone: text,
colour profile and animation chunks, where forged files hide their surprises, never reach it.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from maskloom.platform.imaging.checks import BadImage, Pixels, check_size

MAGIC = b"\x89PNG\r\n\x1a\n"

_COLOUR = {
    2: "RGB colour, also where its channels are equal",
    3: "a colour palette",
    4: "grey with transparency",
    6: "colour with transparency",
}
_ALL_AT_ONCE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, and steps across and down of the passes of an interlaced picture."""
_TRUNCATED = "The PNG file is cut short: copy or export it again."


def read_png(data: bytes) -> tuple[Pixels, int]:
    """Decode a PNG of one grey channel.

    Returns:
        Pixels (H, W) and the file's bits a pixel: uint16 at 16 bits, uint8 below; 1 bit is 0 and 1.

    Raises:
        BadImage: damaged, cut short, coloured, with palette or transparency, animated, of an impossible size.
    """
    chunks = _chunks(data)
    kinds = [kind for kind, _ in chunks]
    header = chunks[0][1]
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") != 1 or len(header) != 13:
        raise BadImage("The PNG file does not begin with one valid header: export it again.")
    width, height, bits, colour = struct.unpack(">IIBB", header[:10])
    check_size(width, height)
    if colour in _COLOUR:
        raise BadImage(
            f"The PNG file holds {_COLOUR[colour]}; save it as one grey channel without transparency."
        )
    if b"tRNS" in kinds:
        raise BadImage("The PNG file marks a grey value as transparent; save it without transparency.")
    if b"acTL" in kinds:
        raise BadImage("The PNG file is an animation; save each of its slices as a file of its own.")
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    try:
        unpacked = _unpacked_size(width, height, bits, interlaced=header[12] == 1)
        # Pillow leaves rows black that are not there.
        if len(zlib.decompressobj().decompress(packed, unpacked)) < unpacked:
            raise BadImage("The PNG file holds fewer pixels than its header says: export it again.")
        with Image.open(io.BytesIO(_pixels_only(header, packed)), formats=("PNG",)) as image:
            image.load()
            return (np.array(image, np.uint16) if bits == 16 else np.array(image, np.uint8)), bits
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
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


def _unpacked_size(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Bytes of all rows, each with its filter byte in front."""
    return sum(
        -(-(height - top) // down) * (1 + -(-(-(-(width - left) // across) * bits) // 8))
        for left, top, across, down in (_ADAM7 if interlaced else _ALL_AT_ONCE)
    )


def _pixels_only(header: bytes, packed: bytes) -> bytes:
    """The same picture without any chunk that carries no pixels."""
    return MAGIC + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
