"""Which masks are accepted, and how the others are refused."""

from __future__ import annotations

import numpy as np
import pytest

from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.formats import decode_grey8, encode_png
from maskloom.platform.imaging.masks import binary, read_mask
from support.images import saved

LESION = np.zeros((48, 40), bool)
LESION[10:20, 5:30] = True
SIZE = LESION.shape
HARD = LESION * np.uint8(255)


@pytest.mark.parametrize(
    "stored",
    [HARD, LESION * np.uint8(1), LESION, LESION * np.uint16(65535), LESION * np.uint16(255)],
    ids=["0 and 255", "0 and 1", "1 bit", "16 bits", "255 in 16 bits"],
)
def test_every_usual_binary_mask_is_read_as_0_and_255(stored: np.ndarray) -> None:
    mask = read_mask(saved(stored, "PNG"), "a.png", SIZE)
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, HARD)


def test_empty_and_full_masks_are_masks() -> None:
    assert not read_mask(saved(np.zeros(SIZE, np.uint8), "PNG"), "a.png", SIZE).any()
    for value in (1, 255):
        assert (read_mask(saved(np.full(SIZE, value, np.uint8), "PNG"), "a.png", SIZE) == 255).all()


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (saved(HARD, "JPEG"), "a.jpg", "JPEG file, which blurs"),
        (saved(HARD, "JPEG"), "a.png", "ends in .png but"),
        (saved(HARD.T.copy(), "PNG"), "a.png", "48 x 40 pixels but its slice is 40 x 48"),
        (saved(LESION * np.uint8(128), "PNG"), "a.png", "values 0, 128;"),
        (saved(HARD - LESION * np.eye(48, 40, dtype=np.uint8), "PNG"), "a.png", "values 0, 254, 255;"),
        (
            saved(np.tile(np.arange(40, dtype=np.uint8), (48, 1)), "PNG"),
            "a.png",
            "values 0, 1, 2, 3, 4, 5, 6, 7, ...;",
        ),
        (saved(np.dstack([HARD] * 3), "PNG"), "a.png", "RGB colour"),
        (saved(np.dstack([HARD] * 4), "PNG"), "a.png", "transparency"),
        (saved(HARD, "PNG")[:-20], "a.png", "cut short"),
        (b"", "a.png", "empty"),
    ],
)
def test_what_is_no_mask_is_refused_with_the_reason(data: bytes, name: str, said: str) -> None:
    with pytest.raises(BadImage) as refusal:
        read_mask(data, name, SIZE)
    assert said in str(refusal.value)


def test_soft_masks_keep_every_value_and_are_cut_at_one_half() -> None:
    soft = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(decode_grey8(encode_png(soft)), soft)
    cut = binary(soft)
    assert cut.dtype == np.uint8
    assert np.array_equal(np.unique(cut), [0, 255])
    assert np.array_equal(cut == 255, soft / 255 >= 0.5)
    assert np.array_equal(read_mask(encode_png(cut), "a.png", cut.shape), cut)
