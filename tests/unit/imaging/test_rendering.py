"""Pictures of slices and masks: what is shown, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import LabelKind
from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.formats import decode_grey8, encode_png
from maskloom.platform.imaging.rendering import COLOURS, MaskStyle, Window, mask_picture, slice_picture

RED = (255, 0, 0)
EVERY_VALUE = encode_png(np.arange(1 << 16, dtype=np.uint16).reshape(256, 256))


def pixels(picture: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image)


def a_mask(height: int = 64, width: int = 48) -> NDArray[np.uint8]:
    mask = np.zeros((height, width), np.uint8)
    mask[10:30, 5:20] = 255
    return mask


@given(
    level=st.floats(-3000, 70000),
    width=st.floats(1, 70000),
    slope=st.sampled_from([1, 0.5, 2]),
    intercept=st.sampled_from([0, -1024, -32768]),
)
def test_a_window_shows_what_its_definition_says(
    level: float, width: float, slope: float, intercept: float
) -> None:
    shown = pixels(
        slice_picture(
            EVERY_VALUE,
            window=Window(level=level, width=width),
            intensity={"slope": slope, "intercept": intercept, "unit": "HU"},
            size=None,
        )
    )
    values = np.arange(1 << 16, dtype=np.float64).reshape(256, 256) * slope + intercept
    low, high = level - width / 2, level + width / 2
    wanted = np.interp(values, [low, high], [0, 255])
    assert np.abs(shown - wanted).max() <= 0.5 + 1e-6


def test_the_lung_window_of_hounsfield_units() -> None:
    stored = encode_png(np.tile(np.array([0, 424, 1024, 1774, 4000], np.uint16), (16, 4)))
    lungs = Window(level=-600, width=1500)
    shown = pixels(slice_picture(stored, window=lungs, intensity={"slope": 1, "intercept": -1024}, size=None))
    assert shown[0, :5].tolist() == [55, 128, 230, 255, 255]


def test_without_a_window_a_slice_is_as_networks_see_it() -> None:
    for stored in (EVERY_VALUE, encode_png(a_mask())):
        shown = pixels(slice_picture(stored, window=None, intensity=None, size=None))
        assert (shown == decode_grey8(stored)).all()


@pytest.mark.parametrize(
    ("size", "shape"), [(None, (64, 48)), (4096, (64, 48)), (64, (64, 48)), (32, (32, 24)), (16, (16, 12))]
)
def test_pictures_are_made_smaller_and_never_larger(size: int | None, shape: tuple[int, int]) -> None:
    stored = encode_png(a_mask())
    assert pixels(slice_picture(stored, window=None, intensity=None, size=size)).shape == shape
    for style in MaskStyle:
        assert pixels(mask_picture(stored, style=style, colour=RED, size=size)).shape == (*shape, 4)


def test_a_filled_mask_is_its_colour_where_it_is_and_nothing_elsewhere() -> None:
    soft = a_mask()
    soft[40, 40], soft[41, 41] = 127, 128
    shown = pixels(mask_picture(encode_png(soft), style=MaskStyle.FILLED, colour=(1, 2, 3), size=None))
    assert (shown[soft >= 128] == [1, 2, 3, 255]).all()
    assert (shown[soft < 128] == 0).all()


def test_an_outline_is_the_masks_own_rim() -> None:
    mask = a_mask()
    mask[0:5, 40:48] = 255  # at the edge of the slice it is closed as well
    rim = pixels(mask_picture(encode_png(mask), style=MaskStyle.OUTLINE, colour=RED, size=None))[..., 3] > 0
    inside = np.zeros_like(rim)
    inside[11:29, 6:19] = True
    inside[1:4, 41:47] = True
    assert (rim == ((mask > 0) & ~inside)).all()


def test_probability_grows_denser() -> None:
    soft = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    shown = pixels(mask_picture(encode_png(soft), style=MaskStyle.PROBABILITY, colour=RED, size=None))
    assert (shown[..., 3] == soft).all()
    assert len(np.unique(shown[0, 1:, :3], axis=0)) > 200


@pytest.mark.parametrize("style", [MaskStyle.FILLED, MaskStyle.OUTLINE])
def test_a_small_lesion_is_still_there_in_a_thumbnail(style: MaskStyle) -> None:
    for place in ((0, 0), (255, 511), (101, 333)):
        mask = np.zeros((256, 512), np.uint8)
        mask[place] = 255
        assert pixels(mask_picture(encode_png(mask), style=style, colour=RED, size=32))[..., 3].any()


def test_the_same_picture_is_the_same_bytes() -> None:
    for style in MaskStyle:
        first, second = (
            mask_picture(encode_png(a_mask()), style=style, colour=RED, size=40) for _ in range(2)
        )
        assert first == second


def test_every_kind_of_mask_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(LabelKind)
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize("size", [-1, 0, 15, 4097])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(SettingsError, match="cannot be made"):
        slice_picture(EVERY_VALUE, window=None, intensity=None, size=size)
    with pytest.raises(SettingsError, match="cannot be made"):
        mask_picture(EVERY_VALUE, style=MaskStyle.FILLED, colour=RED, size=size)


@pytest.mark.parametrize(("level", "width"), [(0, 0), (0, -1), (float("nan"), 1), (0, float("inf"))])
def test_a_window_that_shows_nothing_is_refused(level: float, width: float) -> None:
    with pytest.raises(SettingsError, match="shows nothing"):
        Window(level=level, width=width)


@pytest.mark.parametrize("data", [b"", b"text", EVERY_VALUE[:200], b"\x89PNG\r\n\x1a\n" + b"\xff" * 64])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadImage):
        slice_picture(data, window=None, intensity=None, size=None)
    with pytest.raises(BadImage):
        slice_picture(data, window=Window(level=0, width=1), intensity=None, size=None)
    with pytest.raises(BadImage):
        mask_picture(data, style=MaskStyle.FILLED, colour=RED, size=None)
