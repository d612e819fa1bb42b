"""Thousands of damaged files: each is decoded or refused by BadImage, and nothing else happens.

pytest turns every warning into an error here, Pillow's included, and stops a hang.
"""

from __future__ import annotations

import random
import resource
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image

from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.formats import DecodedSlice, decode_grey8, read_slice, to_grey8
from maskloom.platform.imaging.masks import read_mask
from support.images import grey_slice, png, png_chunks, saved

GREY = grey_slice()
SIZE = GREY.shape
FILES_PER_DAMAGE = 900
WHOLE = {
    "grey8.png": saved(GREY, "PNG"),
    "grey16.png": saved(GREY.astype(np.uint16) * 257, "PNG"),
    "mask8.png": saved((GREY > 120) * np.uint8(255), "PNG"),
    "mask1.png": saved(GREY > 120, "PNG"),
    "palette.png": saved(Image.fromarray(GREY).convert("P"), "PNG"),
    "grey.jpg": saved(GREY, "JPEG"),
    "progressive.jpg": saved(GREY, "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    "restarts.jpg": saved(GREY, "JPEG", restart_marker_blocks=2),
    "colour.jpg": saved(np.dstack([GREY] * 3), "JPEG"),
}


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def flip_header_bytes(data: bytes, rng: random.Random) -> bytes:
    front = min(rng.choice((40, 200, 700)), len(data))
    return flip_bytes(data[:front], rng) + data[front:]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_out(data: bytes, rng: random.Random) -> bytes:
    start, stop = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:start] + data[stop:]


def repeat_part(data: bytes, rng: random.Random) -> bytes:
    start, stop = sorted(rng.randrange(len(data)) for _ in range(2))
    place = rng.randrange(len(data))
    return data[:place] + data[start:stop] * rng.randint(1, 5) + data[place:]


def splice(data: bytes, rng: random.Random) -> bytes:
    other = rng.choice(list(WHOLE.values()))
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def rework_chunks(data: bytes, rng: random.Random) -> bytes:
    """Damage that no checksum shows: chunks changed, doubled, dropped, mixed, blown up, and sealed again."""
    if not data.startswith(b"\x89PNG"):
        return splice(data, rng)
    chunks = png_chunks(data)
    for _ in range(rng.randint(1, 3)):
        index = rng.randrange(len(chunks))
        kind, body = chunks[index]
        action = rng.randrange(6)
        if action == 0 and body:
            chunks[index] = (kind, flip_bytes(body, rng))
        elif action == 1:
            chunks.insert(rng.randrange(len(chunks)), (kind, body))
        elif action == 2 and len(chunks) > 1:
            del chunks[index]
        elif action == 3:
            chunks.insert(rng.randrange(len(chunks) + 1), rng.choice(png_chunks(WHOLE["grey16.png"])))
        elif action == 4:
            extra = rng.choice((b"zTXt", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"tRNS", b"PLTE", b"gAMA"))
            chunks.insert(1, (extra, rng.randbytes(rng.randrange(40))))
        else:
            blown_up = zlib.compress(bytes(rng.choice((0, 100, 1968, 5_000_000))))
            chunks[index] = (kind if kind == b"IDAT" else b"zTXt", blown_up)
    return png(*chunks)


DAMAGES = (flip_bytes, flip_header_bytes, cut, cut_out, repeat_part, splice, rework_chunks)


def read(reader: Callable[[], DecodedSlice | np.ndarray]) -> DecodedSlice | np.ndarray | None:
    """What the reader gives, or None where it refuses; any other exception fails the test."""
    try:
        return reader()
    except BadImage:
        return None


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_decoded_or_refused(
    damage: Callable[[bytes, random.Random], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(damage.__name__)
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoded = []
    for number in range(FILES_PER_DAMAGE):
        name = list(WHOLE)[number % len(WHOLE)]
        damaged = damage(WHOLE[name], rng)
        found = read(partial(read_slice, damaged, name))
        mask = read(partial(read_mask, damaged, name, SIZE))
        assert mask is None or np.isin(mask, (0, 255)).all()
        if isinstance(found, DecodedSlice):
            decoded.append((damaged, found))
    assert len(decoded) < FILES_PER_DAMAGE * 0.7
    assert capfd.readouterr() == ("", "")
    for damaged, found in decoded:
        assert np.array_equal(decode_grey8(damaged), to_grey8(found.pixels))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before
    assert grown_kib < 200_000


def test_whole_files_are_what_they_should_be() -> None:
    """The files that are damaged above do decode before: otherwise nothing is tested."""
    for name in ("grey8.png", "grey16.png", "mask8.png", "grey.jpg", "progressive.jpg", "restarts.jpg"):
        assert read_slice(WHOLE[name], name).pixels.shape == SIZE
    for name in ("mask8.png", "mask1.png"):
        assert read_mask(WHOLE[name], name, SIZE).any()
