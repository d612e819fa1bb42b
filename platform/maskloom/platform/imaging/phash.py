"""Perceptual hash of a slice: near-duplicates differ in few bits. Ingest warns of them across splits.

Measured on 1650 real chest CT slices: the two near-duplicates and the two neighbouring slices in the
labelled set differ in 2 and 4 of 64 bits, all other labelled pairs in 10 or more; neighbours in a volume in
2 (median; 94 % in at most 6); pairs that correlate above 0.995 in at most 4; copies at half the size, of
JPEG quality 50 or of other brightness in at most 6 (99 %). A copy that is mirrored, rotated or cropped is
not found.
"""

from __future__ import annotations

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

NEAR = 6
"""Slices whose hashes differ in at most this many of 64 bits count as near-duplicates."""


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """64-bit DCT hash of a slice, uint8 (H, W), as a signed integer, the way PostgreSQL's bigint holds it."""
    bits = np.packbits(imagehash.phash(Image.fromarray(pixels)).hash.ravel())
    return int.from_bytes(bits.tobytes(), signed=True)


def distance(first: int, second: int) -> int:
    """In how many of their 64 bits two hashes differ, 0..64."""
    return ((first ^ second) & (1 << 64) - 1).bit_count()


def near_pairs(
    hashes: NDArray[np.int64], others: NDArray[np.int64], within: int = NEAR
) -> list[tuple[int, int, int]]:
    """For each hash that has a near-duplicate among the others, its nearest one.

    Args:
        hashes: int64 (N,).
        others: int64 (M,). Time grows with N x M, about a second for 10^9; memory only with M.
        within: the largest distance that counts.

    Returns:
        (index into hashes, index into others, distance), ordered by the first index; at most N of them.
    """
    if not len(others):
        return []
    near = []
    for index, value in enumerate(np.asarray(hashes, dtype=np.int64)):
        distances = np.bitwise_count((others ^ value).view(np.uint64))
        nearest = int(distances.argmin())
        if distances[nearest] <= within:
            near.append((index, nearest, int(distances[nearest])))
    return near
