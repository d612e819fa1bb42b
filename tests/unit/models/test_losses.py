from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from maskloom.models.infnet import Logits
from maskloom.models.losses import deep_supervision, edge_of, pixel_weight


def soft_masks(count: int = 4, size: int = 64) -> Tensor:
    noise = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(1))
    return F.avg_pool2d(noise, 9, stride=1, padding=4).sub(0.45).mul(8).clamp(0, 1)


def random_logits(count: int = 4, size: int = 64) -> Logits:
    random = torch.Generator().manual_seed(2)
    maps = [torch.randn(count, 1, size // s, size // s, generator=random) for s in (4, 8, 32, 16, 8)]
    return Logits(*maps)


def logits_that_say(mask: Tensor) -> Logits:
    return Logits(40 * edge_of(mask) - 20, *[40 * (mask > 0.5).float() - 20] * 4)


def straightforward_loss(logits: Logits, mask: Tensor) -> Tensor:
    """The paper's formulas one map and one image at a time."""
    losses = []
    for i in range(len(mask)):
        target = mask[i : i + 1]
        upsampled = [F.interpolate(m[i : i + 1], size=mask.shape[2:], mode="bilinear") for m in logits]
        loss = F.binary_cross_entropy_with_logits(upsampled[0], edge_of(target))
        for deep in upsampled[1:]:
            weight = 1 + 5 * (F.avg_pool2d(target, 31, stride=1, padding=15) - target).abs()
            p = torch.sigmoid(deep)
            entropy = -(target * p.log() + (1 - target) * (1 - p).log())
            overlap, total = (weight * p * target).sum(), (weight * (p + target)).sum()
            loss += (weight * entropy).sum() / weight.sum() + 1 - (overlap + 1) / (total - overlap + 1)
        losses.append(loss)
    return torch.stack(losses).mean()


def test_loss_is_the_papers() -> None:
    logits, mask = random_logits(), soft_masks()
    torch.testing.assert_close(deep_supervision(logits, mask), straightforward_loss(logits, mask))


def test_pixel_weight_is_that_of_a_square_window() -> None:
    mask = soft_masks()
    expected = 1 + 5 * (F.avg_pool2d(mask, 31, stride=1, padding=15) - mask).abs()
    torch.testing.assert_close(pixel_weight(mask), expected, atol=1e-5, rtol=0)


def test_edge_is_one_pixel_wide_and_inside() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:18, 10:20] = 0.8
    mask[..., 0:4, 28:32] = 1.0  # touches the image's corner
    expected = torch.zeros_like(mask)
    expected[..., 8:18, 10:20] = 1
    expected[..., 9:17, 11:19] = 0
    expected[..., 0:4, 28] = expected[..., 3, 28:32] = 1
    assert torch.equal(edge_of(mask), expected)


def test_edge_ignores_what_is_less_likely_than_not() -> None:
    assert edge_of(torch.full((1, 1, 32, 32), 0.4)).sum() == 0


def test_a_batch_loses_the_mean_of_its_parts() -> None:
    logits, mask = random_logits(), soft_masks()
    parts = [
        deep_supervision(Logits(*[m[part] for m in logits]), mask[part])
        for part in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(deep_supervision(logits, mask), torch.stack(parts).mean())


def test_right_maps_lose_nothing_and_wrong_ones_much() -> None:
    mask = (soft_masks() > 0.5).float()
    assert deep_supervision(logits_that_say(mask), mask) < 1e-4
    assert deep_supervision(logits_that_say(1 - mask), mask) > 40


def test_empty_masks_have_a_loss_that_an_empty_map_makes_zero() -> None:
    empty = torch.zeros(2, 1, 64, 64)
    assert deep_supervision(logits_that_say(empty), empty) < 1e-4


def test_published_entropy_counts_all_pixels_alike() -> None:
    mask = (soft_masks() > 0.5).float()
    logits = random_logits()
    flat = torch.stack(
        [
            F.binary_cross_entropy_with_logits(F.interpolate(m, (64, 64), mode="bilinear"), mask)
            for m in logits[1:]
        ]
    ).sum()
    weight = pixel_weight(mask)
    weighted = torch.stack(
        [
            (
                (weight * F.binary_cross_entropy_with_logits(m, mask, reduction="none")).sum((2, 3))
                / weight.sum((2, 3))
            ).mean()
            for m in (F.interpolate(m, (64, 64), mode="bilinear") for m in logits[1:])
        ]
    ).sum()
    difference = deep_supervision(logits, mask, "weighted") - deep_supervision(logits, mask, "published")
    torch.testing.assert_close(difference, weighted - flat)
    assert difference.abs() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_is_float32_under_autocast(dtype: torch.dtype) -> None:
    mask = soft_masks()
    logits = Logits(*[m.to(dtype) for m in random_logits()])
    with torch.autocast("cpu", torch.bfloat16):
        loss = deep_supervision(logits, mask)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, straightforward_loss(Logits(*[m.float() for m in logits]), mask))
