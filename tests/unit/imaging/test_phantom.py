"""The phantom is a chest: lesions brighter than lung go on from slice to slice; patients dark and bright."""

from __future__ import annotations

import numpy as np
import pytest

from maskloom.platform.imaging.phantom import phantom_volume

SEEDS = range(8)
VOLUMES = {seed: phantom_volume(seed, 12, 128) for seed in SEEDS}


def test_same_seed_same_volume_and_other_seed_another() -> None:
    images, masks = phantom_volume(3, 12, 128)
    assert np.array_equal(images, VOLUMES[3][0])
    assert np.array_equal(masks, VOLUMES[3][1])
    assert not np.array_equal(images, VOLUMES[4][0])


@pytest.mark.parametrize("seed", SEEDS)
def test_shapes_values_and_which_slices_show_lesions(seed: int) -> None:
    images, masks = VOLUMES[seed]
    assert images.shape == masks.shape == (12, 128, 128)
    assert images.dtype == masks.dtype == np.uint8
    assert np.array_equal(np.unique(masks), [0, 255])
    areas = (masks > 0).mean(axis=(1, 2))
    ill = areas > 0
    assert 3 <= ill.sum() <= 10
    assert not ill[0]
    assert 0.01 < areas.max() < 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_lesions_are_brighter_than_lung_and_go_on_through_the_volume(seed: int) -> None:
    images, masks = VOLUMES[seed]
    largest = int((masks > 0).sum(axis=(1, 2)).argmax())
    image, lesion = images[largest], masks[largest] > 0
    black, muscle = np.percentile(image[30:90, 20:108], [5, 80])
    assert image[lesion].mean() > black + 0.15 * (muscle - black)
    beside = [(lesion & (masks[k] > 0)).sum() / lesion.sum() for k in (largest - 1, largest + 1)]
    assert max(beside) > 0.25


def test_some_patients_are_dark_and_some_are_bright() -> None:
    muscle = [np.median(images[6][images[6] > images[6].max() // 4]) for images, _ in VOLUMES.values()]
    assert min(muscle) < 150
    assert max(muscle) > 190


@pytest.mark.parametrize(("slices", "size"), [(1, 64), (5, 97), (2, 352)])
def test_any_number_of_slices_of_any_size(slices: int, size: int) -> None:
    images, masks = phantom_volume(11, slices, size)
    assert images.shape == masks.shape == (slices, size, size)
    assert images.std() > 20
