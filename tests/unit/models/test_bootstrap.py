"""Set measures by hand, and intervals that behave as intervals should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maskloom.models.bootstrap import paired_difference, summarise
from maskloom.models.errors import ModelError
from maskloom.models.metrics import measure_slice
from maskloom.models.slice_measures import SliceMeasures

MASK = np.zeros((20, 20), np.uint8)
MASK[5:15, 5:15] = 255


def predicting(share: float, grey: int = 255) -> SliceMeasures:
    """Measures of a map that has so much of the lesion, from the left, and nothing else."""
    prediction = np.zeros_like(MASK)
    prediction[5:15, 5 : 5 + round(share * 10)] = grey
    return measure_slice(prediction, MASK)


def test_the_best_threshold_is_the_sets_not_each_slices() -> None:
    # One map is perfect up to grey 100, then empty; the other covers all up to there, and then is perfect.
    low = measure_slice((MASK // 255 * 100).astype(np.uint8), MASK)
    high = measure_slice(np.maximum(MASK, 100), MASK)
    dice_of_all = 2 * 100 / (100 + 400)
    figures = summarise([low, high], seed=0, resamples=10)
    assert figures["max_dice"].value == pytest.approx((1 + dice_of_all) / 2)
    low_mean = (dice_of_all + 100 * 1) / 256
    high_mean = (101 * dice_of_all + 155 * 1) / 256
    assert figures["mean_dice"].value == pytest.approx((low_mean + high_mean) / 2)


def test_means_by_hand() -> None:
    figures = summarise([predicting(1.0), predicting(0.5), predicting(0.0)], seed=0, resamples=10)
    assert figures["dice"].value == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert figures["sensitivity"].value == pytest.approx(0.5)
    assert figures["specificity"].value == 1
    assert figures["lesion_recall"].value == pytest.approx(2 / 3)
    assert figures["hd95"].value == pytest.approx((0 + predicting(0.5).hd95 + math.hypot(20, 20)) / 3)


def test_lesion_recall_counts_lesions_not_slices() -> None:
    three = np.zeros((20, 20), np.uint8)
    three[2, 2] = three[8, 8] = three[14, 14] = 255
    found_none = measure_slice(np.zeros_like(three), three)
    healthy = measure_slice(np.zeros_like(three), np.zeros_like(three))
    figures = summarise([found_none, predicting(1.0), healthy], seed=0, resamples=10)
    assert figures["lesion_recall"].value == pytest.approx(1 / 4)


def test_interval_is_as_wide_as_the_standard_error_says() -> None:
    shares = np.random.default_rng(3).integers(0, 11, 50) / 10
    figures = summarise([predicting(share) for share in shares], seed=4)
    estimate = figures["sensitivity"]
    half = 1.96 * shares.std() / math.sqrt(50)
    assert estimate.value == pytest.approx(shares.mean())
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.1)
    assert all(figure.low <= figure.value <= figure.high for figure in figures.values())


def test_seed_decides_the_interval_and_not_the_value() -> None:
    measures = [predicting(share / 10) for share in range(11)]
    first, same, other = (summarise(measures, seed=seed, resamples=200) for seed in (1, 1, 2))
    assert first == same
    assert first["dice"].value == other["dice"].value
    assert first["dice"].low != other["dice"].low


def test_one_slice_has_no_width() -> None:
    for figure in summarise([predicting(0.5)], seed=0, resamples=20).values():
        assert figure.low == pytest.approx(figure.value)
        assert figure.high == pytest.approx(figure.value)


def test_pairing_sees_a_difference_that_two_intervals_hide() -> None:
    shares = np.linspace(0, 0.9, 10)
    worse, better = [predicting(s) for s in shares], [predicting(s + 0.1) for s in shares]
    first, second = summarise(better, seed=0), summarise(worse, seed=0)
    assert first["sensitivity"].low < second["sensitivity"].high
    difference = paired_difference(better, worse, seed=0)["sensitivity"]
    assert difference.value == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1)
    assert difference.high == pytest.approx(0.1)
    assert difference.p == pytest.approx(2 / 2001), "no draw of 2000 was on the other side"
    assert paired_difference(worse, better, seed=0)["sensitivity"].value == pytest.approx(-0.1)


def test_p_is_what_the_normal_distribution_says() -> None:
    noise = np.random.default_rng(7).normal(0.01, 0.1, 200)
    first = [predicting(share) for share in np.clip(0.5 + noise, 0, 1)]
    difference = paired_difference(first, [predicting(0.5)] * 200, seed=1)["sensitivity"]
    z = abs(difference.value) / (noise.std() / math.sqrt(200))
    assert difference.p == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.05)
    assert 0.02 < difference.p < 0.98


def test_a_network_does_not_differ_from_itself() -> None:
    measures = [predicting(share / 10) for share in range(11)]
    for figure in paired_difference(measures, measures, seed=5, resamples=100).values():
        assert figure.value == figure.low == figure.high == 0
        assert figure.p == 1


def test_refuses_sets_that_cannot_be_summed_up() -> None:
    published = measure_slice(MASK, MASK, published=True)
    with pytest.raises(ModelError, match="no slices"):
        summarise([], seed=0)
    with pytest.raises(ModelError, match="two conventions"):
        summarise([predicting(1.0), published], seed=0)
    with pytest.raises(ModelError, match="different slices"):
        paired_difference([predicting(1.0)], [measure_slice(MASK.T[:10], MASK.T[:10])], seed=0)
    with pytest.raises(ModelError, match="different slices"):
        paired_difference([predicting(1.0)], [published], seed=0)
