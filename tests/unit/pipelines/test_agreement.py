"""How well readers agree, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskloom.pipelines.review.agreement import agreement, agreement_on_slice, kappa


def square(top: int, left: int, side: int = 4) -> np.ndarray:
    mask = np.zeros((16, 20), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


NOTHING = square(0, 0, 0)


def test_masks_that_overlap_by_half() -> None:
    found = agreement_on_slice(square(2, 2), square(2, 4))
    assert (found.dice, found.hd95, found.empty) == (0.5, 2.0, (False, False))


def test_an_empty_mask_agrees_with_an_empty_one_alone() -> None:
    assert agreement_on_slice(NOTHING, NOTHING).dice == 1
    one_sided = agreement_on_slice(square(2, 2), NOTHING)
    assert (one_sided.dice, one_sided.hd95) == (0, math.hypot(16, 20))
    assert one_sided.empty == (False, True)


@given(arrays(np.bool_, (2, 6, 6)))
def test_it_does_not_matter_who_is_first(masks: np.ndarray) -> None:
    first, second = (np.where(mask, np.uint8(255), np.uint8(0)) for mask in masks)
    there, back = agreement_on_slice(first, second), agreement_on_slice(second, first)
    assert there.dice == back.dice
    assert there.hd95 == pytest.approx(back.hd95)


def test_several_slices_are_summed_up() -> None:
    slices = [
        agreement_on_slice(square(2, 2), square(2, 2)),
        agreement_on_slice(square(2, 2), square(2, 4)),
        agreement_on_slice(NOTHING, NOTHING),
    ]
    found = agreement(slices)
    assert (found.slices, found.dice, found.hd95, found.kappa) == (3, pytest.approx(2.5 / 3), 0, 1)


@pytest.mark.parametrize(
    ("judgements", "expected"),
    [
        # Cohen's own arithmetic: 40 agree of 50 on yes 20 and no 20; by chance 0.5 * 0.6 + 0.5 * 0.4.
        ([(True, True)] * 20 + [(False, False)] * 20 + [(True, False)] * 5 + [(False, True)] * 5, 0.6),
        ([(True, False), (False, True)], -1.0),
        ([(True, True), (False, True)], 0.0),
        ([(False, False)] * 3, 1.0),
        ([(True, True)], 1.0),
    ],
)
def test_kappa(judgements: list[tuple[bool, bool]], expected: float) -> None:
    assert kappa(judgements) == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_kappa_has_a_value_whatever_readers_say(judgements: list[tuple[bool, bool]]) -> None:
    assert -1 <= kappa(judgements) <= 1
