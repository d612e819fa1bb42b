from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from maskloom.models.augment import Draws, apply, draw
from maskloom.models.parameters import AugmentParameters

EVERYTHING = AugmentParameters(
    flip_horizontal=True,
    flip_vertical=True,
    gamma=1.5,
    brightness=0.1,
    contrast=0.2,
    rotate_degrees=15,
    zoom=0.2,
)


def fixed(count: int = 1, **changes: float) -> Draws:
    values = {
        "mirror": 1.0,
        "upend": 1.0,
        "gamma": 1.0,
        "brightness": 0.0,
        "contrast": 1.0,
        "angle": 0.0,
        "zoom": 1.0,
    }
    return Draws(**{name: torch.full((count,), value) for name, value in (values | changes).items()})


def picture(size: int = 64) -> Tensor:
    return torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(3))


def disc(radius: float, size: int = 128) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    middle = (size - 1) / 2
    return (((rows - middle) ** 2 + (columns - middle) ** 2) < radius**2).float()[None, None]


def test_draws_depend_on_seed_and_step_alone() -> None:
    torch.manual_seed(1)
    first = draw(EVERYTHING, 8, seed=1, step=5)
    torch.manual_seed(2)
    again = draw(EVERYTHING, 8, seed=1, step=5)
    later, other = draw(EVERYTHING, 8, seed=1, step=6), draw(EVERYTHING, 8, seed=2, step=5)
    assert torch.equal(first.angle, again.angle)
    assert not torch.equal(first.angle, later.angle)
    assert not torch.equal(first.angle, other.angle)


def test_parts_of_a_batch_are_changed_as_the_whole_is() -> None:
    grey = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    mask = (grey > 0.5).float()
    draws = draw(EVERYTHING, 4, seed=3, step=0)
    whole = apply(grey, mask, draws, EVERYTHING)
    parts = [
        apply(grey[s], mask[s], draws.part(s.start, s.stop), EVERYTHING) for s in (slice(0, 2), slice(2, 4))
    ]
    for k in (0, 1):
        torch.testing.assert_close(whole[k], torch.cat([part[k] for part in parts]))


def test_draws_stay_in_their_ranges_and_use_them() -> None:
    draws = draw(EVERYTHING, 4000, seed=0, step=0)
    for values, low, high in (
        (draws.gamma, 1 / 1.5, 1.5),
        (draws.brightness, -0.1, 0.1),
        (draws.contrast, 0.8, 1.2),
        (draws.angle, -math.radians(15), math.radians(15)),
        (draws.zoom, 0.8, 1.2),
    ):
        width = high - low
        assert low <= values.min() < low + 0.05 * width
        assert high - 0.05 * width < values.max() <= high
    for signs in (draws.mirror, draws.upend):
        assert set(signs.tolist()) == {-1.0, 1.0}
        assert signs.mean().abs() < 0.1
    assert draws.gamma.log().mean().abs() < 0.02


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(AugmentParameters)])
def test_one_kind_does_not_change_the_draws_of_the_others(field: str) -> None:
    only = AugmentParameters(**{field: getattr(EVERYTHING, field)})
    draws, alone = draw(EVERYTHING, 8, seed=0, step=0), draw(only, 8, seed=0, step=0)
    changed = [
        name for name in Draws.__slots__ if not torch.equal(getattr(alone, name), getattr(fixed(8), name))
    ]
    assert len(changed) == 1
    assert torch.equal(getattr(draws, changed[0]), getattr(alone, changed[0]))


def test_the_papers_setting_changes_nothing() -> None:
    off = AugmentParameters()
    grey, mask = apply(picture(), disc(20, 64), draw(off, 1, seed=0, step=0), off)
    assert torch.equal(grey, picture())
    assert torch.equal(mask, disc(20, 64))


@pytest.mark.parametrize(("change", "dimension"), [("mirror", 3), ("upend", 2)])
def test_flips_are_exact(change: str, dimension: int) -> None:
    grey, mask = apply(picture(), picture(), fixed(**{change: -1.0}), EVERYTHING)
    torch.testing.assert_close(grey, picture().flip(dimension), atol=1e-4, rtol=0)
    torch.testing.assert_close(mask, picture().flip(dimension), atol=1e-4, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    grey, _ = apply(picture(), picture(), fixed(angle=math.pi / 2), EVERYTHING)
    turned = min((grey - picture().rot90(k, (2, 3))).abs().max() for k in (1, 3))
    assert turned < 1e-3


def test_zoom_scales_areas() -> None:
    _, mask = apply(disc(30), disc(30), fixed(zoom=1.5), EVERYTHING)
    assert mask.sum() / disc(30).sum() == pytest.approx(1.5**2, rel=0.02)


def test_image_and_mask_move_together_and_soft_masks_stay_soft() -> None:
    geometry = dataclasses.replace(EVERYTHING, gamma=1.0, brightness=0.0, contrast=0.0)
    grey, mask = apply(picture(), picture(), draw(geometry, 1, seed=0, step=1), geometry)
    assert torch.equal(grey, mask)
    assert 0 <= mask.min() <= mask.max() <= 1
    assert ((mask > 0.2) & (mask < 0.8)).float().mean() > 0.3


def test_grey_values_change_as_named_and_masks_do_not() -> None:
    off = AugmentParameters(gamma=2.0, brightness=0.5, contrast=0.5)
    grey = torch.tensor([0.2, 0.4]).repeat(2).view(1, 1, 2, 2)
    mask = torch.tensor([0.0, 1.0]).repeat(2).view(1, 1, 2, 2)
    for draws, expected in (
        (fixed(gamma=2.0), [0.04, 0.16]),
        (fixed(brightness=0.3), [0.5, 0.7]),
        (fixed(contrast=1.5), [0.15, 0.45]),
        (fixed(brightness=0.7), [0.9, 1.0]),
    ):
        changed, kept = apply(grey, mask, draws, off)
        torch.testing.assert_close(changed.flatten()[:2], torch.tensor(expected))
        assert torch.equal(kept, mask)
