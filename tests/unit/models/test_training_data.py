"""The slices that a trainer keeps: they grow, can be written through, and refuse what does not fit."""

from __future__ import annotations

import pytest
import torch
from unit.models.training_worker import blobs

from maskloom.models.errors import ModelError
from maskloom.models.parameters import (
    NetworkParameters,
)
from maskloom.models.training_data import TrainingData

LITE0 = NetworkParameters(intensity="percentile")


def data(count: int = 6, repeats: int = 1) -> TrainingData:
    slices = TrainingData(size=64)
    slices.append(*blobs(count, 64), repeats)
    return slices


def test_data_grow_and_can_be_written_through() -> None:
    slices = TrainingData(size=64, capacity=2)
    images, masks = blobs(11, 64)
    for start, stop in ((0, 1), (1, 6), (6, 11)):
        slices.append(images[start:stop], masks[start:stop], repeats=stop)
    assert len(slices) == 11
    assert torch.equal(slices.images, images)
    assert torch.equal(slices.masks, masks)
    assert slices.repeats.tolist() == [1] + [6] * 5 + [11] * 5
    slices.masks[3] = 7
    slices.repeats[:] = 0
    slices.repeats[3] = 2
    assert slices.samples().tolist() == [3, 3]
    assert torch.equal(slices.take(torch.tensor([3]))[1], torch.full((1, 1, 64, 64), 7, dtype=torch.uint8))


def test_appending_seldom_copies_what_is_there() -> None:
    slices = TrainingData(size=32, capacity=8)
    one = torch.zeros(5, 1, 32, 32, dtype=torch.uint8)
    places = set()
    for _ in range(100):
        slices.append(one, one)
        places.add(slices.images.data_ptr())
    assert len(places) <= 7  # 8, 16, ... 512


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (
            torch.zeros(2, 1, 64, 64),
            torch.zeros(2, 1, 64, 64, dtype=torch.uint8),
            r"images are uint8 .*float32",
        ),
        (torch.zeros(2, 1, 64, 64, dtype=torch.uint8), torch.zeros(1, 1, 64, 64, dtype=torch.uint8), "masks"),
        (
            torch.zeros(2, 1, 32, 32, dtype=torch.uint8),
            torch.zeros(2, 1, 64, 64, dtype=torch.uint8),
            "32, 32",
        ),
    ],
)
def test_slices_of_another_kind_are_refused(images: torch.Tensor, masks: torch.Tensor, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TrainingData(size=64).append(images, masks)
