"""Measures against values worked out by hand, a plain loop, and the libraries they come from."""

from __future__ import annotations

import dataclasses
import json
import math

import cv2
import numpy as np
import py_sod_metrics
import pytest

from maskloom.models.bootstrap import summarise
from maskloom.models.errors import ModelError
from maskloom.models.metrics import measure_slice
from maskloom.models.slice_measures import SliceMeasures, threshold_curves
from support.real_data import covid_semiseg


def curves(measures: SliceMeasures) -> np.ndarray:
    """Dice, sensitivity and specificity, (3, 256)."""
    inside, outside = np.array([measures.inside]), np.array([measures.outside])
    return np.concatenate(threshold_curves(inside, outside, published=measures.published))


def blob(seed: int, shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    """A smooth random mask, bool."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return cv2.GaussianBlur(noise, (0, 0), 5) > 0.04


def test_four_pixel_lesion_by_hand() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[2, 2:6] = 255
    prediction = np.zeros((10, 10), np.uint8)
    prediction[2, 3:7] = 200  # three pixels right, one missed, one too many
    measures = measure_slice(prediction, mask)
    assert measures.dice == pytest.approx(2 * 3 / (4 + 4))
    assert measures.sensitivity == pytest.approx(3 / 4)
    assert measures.specificity == pytest.approx(95 / 96)
    assert measures.mae == pytest.approx((3 * 55 / 255 + 1 + 200 / 255) / 100)
    assert measures.hd95 == pytest.approx(np.percentile([0, 0, 0, 1], 95))
    assert (measures.lesions, measures.lesions_found, measures.false_lesions) == (1, 1, 0)
    dice, sensitivity, specificity = curves(measures)
    assert dice.tolist() == pytest.approx([8 / 104] + [3 / 4] * 200 + [0] * 55)
    assert sensitivity.tolist() == pytest.approx([1] + [3 / 4] * 200 + [0] * 55)
    assert specificity.tolist() == pytest.approx([0] + [95 / 96] * 200 + [1] * 55)


def test_e_measure_equals_its_definition_pixel_by_pixel() -> None:
    mask = blob(5)
    prediction = cv2.GaussianBlur(mask * np.uint8(255), (0, 0), 5)
    expected = []
    for threshold in range(256):
        kept = (prediction >= threshold).astype(float)
        a, b = kept - kept.mean(), mask - mask.mean()
        alignment = 2 * a * b / (a * a + b * b)
        expected.append(((alignment + 1) ** 2 / 4).sum() / (mask.size - 1))
    assert measure_slice(prediction, mask).e_measure == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("published", [False, True])
def test_curves_equal_a_plain_loop_over_thresholds(published: bool) -> None:
    mask = blob(1)
    prediction = np.rint(cv2.GaussianBlur(mask * 230.0, (0, 0), 4) + 10).astype(np.uint8)
    measured = curves(measure_slice(prediction, mask, published=published))
    low, high = (prediction.min(), prediction.max()) if published else (0, 255)
    stretched = np.rint((prediction.astype(float) - low) * 255 / (high - low))
    for threshold in range(256):
        kept = stretched >= threshold
        hits = (kept & mask).sum()
        dice = 2 * hits / (kept.sum() + mask.sum())
        expected = dice, hits / mask.sum(), (~kept & ~mask).sum() / (~mask).sum()
        if published and hits == 0:
            expected = (0, 0, 0)
        assert measured[:, threshold].tolist() == pytest.approx(expected)


NOTHING = np.zeros((30, 40), np.uint8)
SQUARE = NOTHING.copy()
SQUARE[10:15, 20:24] = 255
SHARE = 20 / 1200
PER_N_MINUS_1 = 1200 / 1199


EMPTY = {
    "both empty": (
        (NOTHING, NOTHING, False),
        {"dice": 1, "sensitivity": 1, "specificity": 1, "s_measure": 1, "mae": 0, "hd95": 0}
        | {"e_measure": 255 / 256 * PER_N_MINUS_1, "lesions": 0, "lesions_found": 0, "false_lesions": 0},
    ),
    "mask empty": (
        (SQUARE, NOTHING, False),
        {
            "dice": 0,
            "sensitivity": 1,
            "specificity": 1 - SHARE,
            "s_measure": 1 - SHARE,
            "mae": SHARE,
            "hd95": 50,
        }
        | {"e_measure": 255 / 256 * (1 - SHARE) * PER_N_MINUS_1}
        | {"lesions": 0, "lesions_found": 0, "false_lesions": 1},
    ),
    "map empty": (
        (NOTHING, SQUARE, False),
        {"dice": 0, "sensitivity": 0, "specificity": 1, "mae": SHARE, "hd95": 50}
        | {"lesions": 1, "lesions_found": 0, "false_lesions": 0},
    ),
    "both full": (
        (NOTHING + 255, NOTHING + 255, False),
        {"dice": 1, "sensitivity": 1, "specificity": 1, "s_measure": 1, "mae": 0, "hd95": 0},
    ),
    "published, both empty": (
        (NOTHING, NOTHING, True),
        {"dice": 0, "sensitivity": 0, "specificity": 0, "s_measure": 1, "mae": 0},
    ),
    "published, mask empty": (
        (SQUARE, NOTHING, True),
        {"dice": 0, "sensitivity": 0, "specificity": 0, "s_measure": 1 - SHARE, "mae": SHARE},
    ),
    "published, map empty": (
        (NOTHING, SQUARE, True),
        {"dice": 0, "sensitivity": 0, "specificity": 0, "mae": SHARE},
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), EMPTY.values(), ids=EMPTY.keys())
def test_empty_masks_and_maps_have_the_documented_values(
    arguments: tuple[np.ndarray, np.ndarray, bool], expected: dict[str, float]
) -> None:
    prediction, mask, published = arguments
    measures = measure_slice(prediction, mask, published=published)
    measures = measure_slice(prediction, mask, published=published)
    assert {name: getattr(measures, name) for name in expected} == pytest.approx(expected, abs=1e-12)
    assert all(
        math.isfinite(value)
        for value in dataclasses.asdict(measures).values()
        if not isinstance(value, tuple)
    )


def test_empty_slices_over_the_thresholds() -> None:
    right = summarise([measure_slice(NOTHING, NOTHING)], seed=0, resamples=10)
    assert right["mean_dice"].value == pytest.approx(255 / 256)
    assert right["mean_specificity"].value == pytest.approx(255 / 256)
    assert right["lesion_recall"].value == 1
    published = summarise([measure_slice(NOTHING, NOTHING, published=True)], seed=0, resamples=10)
    assert published["mean_dice"].value == published["max_dice"].value == 0


def test_published_stretch_makes_a_lesion_of_a_faint_map() -> None:
    faint = (SQUARE // 25).astype(np.uint8)
    assert measure_slice(faint, SQUARE).dice == 0
    assert measure_slice(faint, SQUARE, published=True).dice == 1


def test_floating_point_maps_equal_their_grey_values() -> None:
    mask = blob(2)
    grey = cv2.GaussianBlur(mask * np.uint8(255), (0, 0), 3)
    for kind in (np.float32, np.float64):
        assert measure_slice((grey / 255).astype(kind), mask) == measure_slice(grey, mask)
    assert (
        measure_slice(grey, mask)
        == measure_slice(grey, mask * np.uint8(1))
        == measure_slice(grey, mask * np.uint8(255))
    )


@pytest.mark.parametrize("seed", range(4))
def test_hd95_equals_the_percentile_of_all_edge_distances(seed: int) -> None:
    mask, found = blob(seed), blob(seed + 100)

    def edge(area: np.ndarray) -> np.ndarray:
        inner = cv2.erode(
            np.pad(area, 1).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        )
        return np.argwhere(area & (inner[1:-1, 1:-1] == 0))

    apart = np.linalg.norm(edge(mask)[:, None] - edge(found)[None], axis=2)
    expected = max(np.percentile(apart.min(axis=0), 95), np.percentile(apart.min(axis=1), 95))
    assert measure_slice(found * np.uint8(255), mask).hd95 == pytest.approx(expected, rel=1e-5)


def test_lesions_are_found_from_a_quarter_on_and_corners_connect() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[2:6, 2:12] = 255  # 40 pixels, 10 of them predicted: found
    mask[10:14, 2:12] = 255  # 40 pixels, 9 of them predicted: missed
    mask[20, 20] = mask[21, 21] = 255  # meet at a corner: one lesion, half of it predicted
    prediction = np.zeros_like(mask)
    prediction[2, 2:12] = 128
    prediction[10, 3:12] = 128
    prediction[21, 21] = 255
    prediction[30:33, 30:33] = 255  # touches nothing
    prediction[35:38, 5:9] = 127  # below one half: not predicted
    measures = measure_slice(prediction, mask)
    assert (measures.lesions, measures.lesions_found, measures.false_lesions) == (3, 2, 1)


@pytest.mark.parametrize("place", [np.s_[-1, :], np.s_[:, -1], np.s_[-1, -1], np.s_[0, 0]])
def test_a_lesion_on_the_border_has_every_measure(place: tuple[slice | int, slice | int]) -> None:
    mask = np.zeros((30, 40), bool)
    mask[place] = True
    measures = measure_slice(mask * np.uint8(255), mask)
    assert [measures.dice, measures.s_measure] == pytest.approx([1, 1])
    assert measures.hd95 == 0


def assert_agrees_with_pysodmetrics(prediction: np.ndarray, mask: np.ndarray) -> None:
    structure, alignment, error = py_sod_metrics.Smeasure(), py_sod_metrics.Emeasure(), py_sod_metrics.MAE()
    dice = py_sod_metrics.FmeasureV2(
        {"dice": py_sod_metrics.DICEHandler(with_adaptive=False, with_dynamic=True)}
    )
    for metric in (structure, alignment, error, dice):
        metric.step(prediction, mask)
    measures = measure_slice(prediction, mask, published=True)
    assert measures.s_measure == pytest.approx(structure.get_results()["sm"], abs=1e-9)
    assert measures.mae == pytest.approx(error.get_results()["mae"], abs=1e-9)
    # PySODMetrics cuts after multiplying floats by 255, so some grey values land one threshold lower.
    assert measures.e_measure == pytest.approx(alignment.get_results()["em"]["curve"].mean(), abs=1.3e-3)
    expected = dice.get_results()["dice"]["dynamic"].mean()
    assert curves(measures)[0].mean() == pytest.approx(expected, abs=1.3e-3)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_pysodmetrics(seed: int) -> None:
    mask = blob(seed) * np.uint8(255)
    prediction = cv2.GaussianBlur(mask, (0, 0), 6)
    stretched = cv2.normalize(prediction, None, 0, 255, cv2.NORM_MINMAX)
    assert_agrees_with_pysodmetrics(stretched, mask)


@pytest.mark.real_data
def test_agrees_with_pysodmetrics_on_real_masks() -> None:
    paths = sorted((covid_semiseg() / "labelled" / "masks").glob("*.png"))
    assert len(paths) == 50
    for path in paths[::5]:
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        blurred = cv2.normalize(cv2.GaussianBlur(mask, (0, 0), 7), None, 0, 255, cv2.NORM_MINMAX)
        assert_agrees_with_pysodmetrics(blurred, mask)


def test_measures_survive_json() -> None:
    measures = [
        measure_slice(cv2.GaussianBlur(blob(seed) * np.uint8(255), (0, 0), 4), blob(seed + 1))
        for seed in range(3)
    ]
    loaded = [
        SliceMeasures(**values)
        for values in json.loads(json.dumps([dataclasses.asdict(m) for m in measures]))
    ]
    assert summarise(loaded, seed=1, resamples=50) == summarise(measures, seed=1, resamples=50)


@pytest.mark.parametrize(
    ("prediction", "mask", "said"),
    [
        (np.zeros((8, 8)), np.zeros((8, 9), np.uint8), "resize the map"),
        (np.full((8, 8), 1.5), np.zeros((8, 8), np.uint8), "0..1"),
        (np.full((8, 8), np.nan), np.zeros((8, 8), np.uint8), "0..1"),
        (np.zeros((8, 8)), np.arange(64, dtype=np.uint8).reshape(8, 8), "one other value"),
    ],
)
def test_refuses_what_it_cannot_compare(prediction: np.ndarray, mask: np.ndarray, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        measure_slice(prediction, mask)
