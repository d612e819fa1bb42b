"""Copies and neighbours are near, other slices are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskloom.platform.imaging.phantom import phantom_volume
from maskloom.platform.imaging.phash import NEAR, distance, near_pairs, perceptual_hash
from support.real_data import covid_semiseg


def test_copies_are_near_and_other_patients_are_not() -> None:
    slices = [phantom_volume(seed, 3, 192)[0][1] for seed in range(6)]
    hashes = [perceptual_hash(pixels) for pixels in slices]
    for pixels, value in zip(slices, hashes, strict=True):
        smaller = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        recompressed = cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0)
        brighter = np.clip(pixels * 1.1 + 5, 0, 255).astype(np.uint8)
        for copy in (pixels.copy(), smaller, recompressed, brighter):
            assert distance(value, perceptual_hash(copy)) <= NEAR
    apart = [distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(apart) > NEAR


def test_hashes_fit_a_bigint() -> None:
    bright = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    hashes = [
        perceptual_hash(pixels) for pixels in (bright, bright.T, bright[:, ::-1], np.zeros_like(bright))
    ]
    assert min(hashes) < 0  # the highest bit is the mean grey value's, set in all but black slices
    assert hashes[3] == 0
    assert len(set(hashes)) == 4
    assert np.array(hashes, dtype=np.int64).tolist() == hashes


def test_distance_counts_bits_of_signed_hashes() -> None:
    assert distance(5, 5) == 0
    assert distance(0, -1) == 64
    assert distance(-(2**63), 0) == 1
    assert distance(0b1011, 0b0010) == 2


def test_near_pairs_finds_what_comparing_each_with_each_finds() -> None:
    rng = np.random.default_rng(0)
    others = rng.integers(-(2**63), 2**63 - 1, 400, dtype=np.int64)
    hashes = rng.integers(-(2**63), 2**63 - 1, 100, dtype=np.int64)
    for index in range(0, 100, 10):
        bits = rng.choice(64, index % 9, replace=False).tolist()
        hashes[index] = others[3 * index] ^ np.array(sum(1 << b for b in bits), np.uint64).astype(np.int64)
    expected = []
    for i, value in enumerate(hashes.tolist()):
        distances = [distance(value, other) for other in others.tolist()]
        if min(distances) <= NEAR:
            expected.append((i, distances.index(min(distances)), min(distances)))
    assert len(expected) >= 5
    assert near_pairs(hashes, others) == expected
    assert near_pairs(hashes, others[:0]) == []
    assert len(near_pairs(hashes, others, within=64)) == 100


@pytest.mark.real_data
def test_finds_what_belongs_together_in_the_labelled_set_and_nothing_else() -> None:
    folder = covid_semiseg() / "labelled" / "images"
    hashes = {path.stem: perceptual_hash(cv2.imread(str(path), 0)) for path in folder.iterdir()}
    near = {
        frozenset((a, b)) for a in hashes for b in hashes if a < b and distance(hashes[a], hashes[b]) <= NEAR
    }
    # 10 and 43 are near-duplicates, 5 and 46 neighbouring slices of one patient.
    assert near == {frozenset(("10", "43")), frozenset(("5", "46"))}


@pytest.mark.real_data
def test_neighbours_in_a_volume_are_near() -> None:
    volume = "Data-1_coronacases_org_001"
    paths = sorted((covid_semiseg() / "unlabelled" / "images").glob(f"{volume}_*.jpg"))
    hashes = {int(path.stem.rsplit("_", 1)[1]): perceptual_hash(cv2.imread(str(path), 0)) for path in paths}
    steps = [distance(hashes[k], hashes[k + 1]) for k in hashes if k + 1 in hashes]
    assert len(steps) > 50
    assert np.mean(np.array(steps) <= NEAR) > 0.9
