"""One mask out of several."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskloom.pipelines.review.consensus import CONSENSUS, majority, staple


def disc(centre: int, radius: int = 12) -> np.ndarray:
    rows, columns = np.mgrid[:48, :64]
    inside = (rows - 24) ** 2 + (columns - centre) ** 2 < radius**2
    return np.where(inside, np.uint8(255), np.uint8(0))


def test_the_majority_marks_what_more_than_half_have_marked() -> None:
    a, b, c = disc(20), disc(22), disc(60)
    assert np.array_equal(majority([a, b, c]), a & b | b & c | a & c)
    assert np.array_equal(majority([a, b]), a & b)


def test_staple_trusts_those_who_agree_more_than_one_who_does_not() -> None:
    good = [disc(30), disc(31), disc(30)]
    careless = disc(50)
    found = staple([*good, careless])
    assert np.array_equal(found, majority(good))


@pytest.mark.parametrize("how", sorted(CONSENSUS))
@given(mask=arrays(np.bool_, (6, 7)), readers=st.integers(1, 4))
def test_equal_masks_are_their_own_consensus(how: str, mask: np.ndarray, readers: int) -> None:
    drawn = np.where(mask, np.uint8(255), np.uint8(0))
    found = CONSENSUS[how]([drawn] * readers)
    assert np.array_equal(found, drawn)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("how", sorted(CONSENSUS))
@given(masks=arrays(np.bool_, st.tuples(st.integers(1, 4), st.just(6), st.just(7))))
def test_whatever_readers_draw_there_is_one_mask_within_it(how: str, masks: np.ndarray) -> None:
    drawn = [np.where(mask, np.uint8(255), np.uint8(0)) for mask in masks]
    found = CONSENSUS[how](drawn)
    assert set(np.unique(found)) <= {0, 255}
    assert not (found[~masks.any(axis=0)]).any(), "what nobody has marked is not marked"
    assert (found[masks.all(axis=0)] == 255).all(), "what everybody has marked is marked"


def test_where_somebody_marks_nothing_the_majority_decides() -> None:
    nothing = np.zeros((48, 64), np.uint8)
    assert np.array_equal(staple([disc(30), disc(30), nothing]), disc(30))
    assert not staple([disc(30), nothing]).any()


def test_where_readers_hardly_agree_the_majority_decides() -> None:
    """Of these two masks the estimate marks nothing, not even the pixel that both have."""
    masks = [
        np.array(rows, np.uint8) * 255
        for rows in ([[0, 1, 1, 1], [0, 0, 0, 0]], [[0, 1, 0, 0], [1, 0, 1, 0]])
    ]
    assert np.array_equal(staple(masks), masks[0] & masks[1])
