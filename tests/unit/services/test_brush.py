"""The code of Label Studio's brush masks: its own bytes out, anything back in, nothing but BrushError for damage."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from maskloom.services.bridge.brush import BrushError, decode, encode

ROWS, COLUMNS = np.ogrid[:40, :56]
DISC = np.where((ROWS - 17) ** 2 + (COLUMNS - 30) ** 2 <= 11**2, 255, 0).astype(np.uint8)
CHECKERS = (np.indices((3, 5)).sum(0) % 2 * 255).astype(np.uint8)


# What `label_studio_sdk.converter.brush.mask2rle` of label-studio-sdk 2.1.2 gives.
@pytest.mark.parametrize(
    ("mask", "code"),
    [
        pytest.param(np.full((1, 1), 255), "00000004391bfc7fe0", id="one pixel"),
        pytest.param(
            CHECKERS, "0000003c391bfc6011ffc6011ffc6011ffc6011ffc6011ffc6011ffc6011ffc600", id="checkers"
        ),
        pytest.param(np.full((2, 5), 255), "00000028391bfe27ff00", id="a full last byte"),
        pytest.param(
            np.zeros((300, 300)),
            "00057e40391bffffff00ffffe01ffffc03ffff807ffff00efc7e00",
            id="longer than the longest run",
        ),
        pytest.param(np.full((128, 128), 255), "00010000391bffffffff00", id="just the longest run"),
    ],
)
def test_codes_are_those_of_the_converter(mask: NDArray[np.float64], code: str) -> None:
    assert bytes(encode(mask.astype(np.uint8))).hex() == code


def test_a_disc_has_the_code_of_the_converter() -> None:
    digest = hashlib.sha256(bytes(encode(DISC))).hexdigest()
    assert digest == "4179952968385e5339ef6f59957783b3ae88483060451f1a745e6ff601a88b92"


def test_masks_come_back_as_they_went() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        height, width = random.integers(1, 80, 2)
        mask = np.where(random.random((height, width)) < random.random(), 255, 0).astype(np.uint8)
        assert np.array_equal(decode(encode(mask), width, height), mask)


def written_out(
    values: list[int], runs: list[int], length_bits: tuple[int, ...] = (3, 4, 8, 16)
) -> list[int]:
    """A code that holds `values` as they are, in runs of those lengths."""
    text = f"{len(values):032b}{7:05b}" + "".join(f"{bits - 1:04b}" for bits in length_bits)
    for index, run in enumerate(runs):
        start = sum(runs[:index])
        form = next(form for form, bits in enumerate(length_bits) if run <= 1 << bits)
        text += f"0{form:02b}{run - 1:0{length_bits[form]}b}"
        text += "".join(f"{value:08b}" for value in values[start : start + run])
    text += "0" * (-len(text) % 8)
    return [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]


@pytest.mark.parametrize("runs", [[24], [1] * 24, [3, 5, 16]])
@pytest.mark.parametrize("length_bits", [(3, 4, 8, 16), (1, 2, 5, 6)])
def test_values_written_as_they_are_and_soft_edges(runs: list[int], length_bits: tuple[int, ...]) -> None:
    alpha = [0, 1, 127, 128, 254, 255]
    values = [value for of_pixel in alpha for value in (255, 7, 200, of_pixel)]
    assert decode(written_out(values, runs, length_bits), 3, 2).tolist() == [[0, 0, 0], [255, 255, 255]]


def test_the_code_of_another_picture_is_refused() -> None:
    with pytest.raises(BrushError, match="8960 values, and a picture of 57 x 40 has 9120"):
        decode(encode(DISC), 57, 40)


def test_a_code_that_is_cut_off_is_refused_wherever_it_ends() -> None:
    code = encode(DISC)
    needed = len(code) - 1 if code[-1] == 0 else len(code)
    for length in range(needed):
        with pytest.raises(BrushError):
            decode(code[:length], 56, 40)


@pytest.mark.parametrize(
    "code",
    [None, "AAAA", {"rle": 1}, [[1], 2], ["1"], [1.5], [256], [-1], [None], [], [0] * 10, [255] * 10_000_000],
    ids=lambda code: str(code)[:20],
)
def test_what_is_no_code_is_refused(code: object) -> None:
    with pytest.raises(BrushError):
        decode(code, 56, 40)  # type: ignore[arg-type]


def test_damage_gives_a_mask_of_the_right_size_or_is_refused() -> None:
    random = np.random.default_rng(1)
    code, refused = encode(DISC), 0
    for _ in range(3000):
        damaged = list(code)
        for place in random.integers(0, len(code), random.integers(1, 6)):
            damaged[place] = int(random.integers(0, 256))
        try:
            assert decode(damaged, 56, 40).shape == (40, 56)
        except BrushError:
            refused += 1
    assert 500 < refused < 3000
