"""Random changes of training images, the same whatever computes them.

`draw` makes the random numbers of a whole global batch from (seed, step) on the CPU; each worker then applies its own
images' share on its own device. So neither the number of workers nor the device changes what is trained on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from maskloom.models.parameters import AugmentParameters
from maskloom.models.randomness import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """What happens to each image of a batch: float32 tensors of shape (B,) on the CPU."""

    mirror: Tensor
    """-1 or 1: left and right swapped or not; `upend` the same for top and bottom."""
    upend: Tensor
    gamma: Tensor
    brightness: Tensor
    contrast: Tensor
    angle: Tensor
    """Radians."""
    zoom: Tensor

    def part(self, start: int, stop: int) -> Draws:
        """The draws of images start..stop-1."""
        return Draws(**{name: getattr(self, name)[start:stop] for name in self.__slots__})


def draw(parameters: AugmentParameters, batch: int, seed: int, step: int) -> Draws:
    """The draws of the whole global batch. Each kind takes its numbers whether it is on or off, so that switching one on
    leaves the others as they were."""
    random = generator(seed, "augment", step)
    uniform = torch.rand(7, batch, generator=random)
    signed = 2 * uniform - 1

    def sign(draws: Tensor, on: bool) -> Tensor:
        return torch.where(draws < 0, -1.0, 1.0) if on else torch.ones(batch)

    return Draws(
        mirror=sign(signed[0], parameters.flip_horizontal),
        upend=sign(signed[1], parameters.flip_vertical),
        gamma=torch.exp(signed[2] * math.log(parameters.gamma)),
        brightness=signed[3] * parameters.brightness,
        contrast=1 + signed[4] * parameters.contrast,
        angle=signed[5] * math.radians(parameters.rotate_degrees),
        zoom=1 + signed[6] * parameters.zoom,
    )


def apply(grey: Tensor, mask: Tensor, draws: Draws, parameters: AugmentParameters) -> tuple[Tensor, Tensor]:
    """Images and masks, float32 (B, 1, S, S) in 0..1, changed alike in place and the images in grey value.

    What comes in from beyond the border is 0: air in the image, background in the mask.
    """
    if parameters.flip_horizontal or parameters.flip_vertical or parameters.rotate_degrees or parameters.zoom:
        both = F.grid_sample(torch.cat([grey, mask], dim=1), _grid(grey, draws), align_corners=False)
        grey, mask = both[:, :1], both[:, 1:].clamp(0, 1)

    def each(values: Tensor) -> Tensor:
        return values.to(grey.device).view(-1, 1, 1, 1)

    if parameters.gamma != 1:
        grey = grey.clamp(0, 1) ** each(draws.gamma)
    if parameters.contrast or parameters.brightness:
        mean = grey.mean((2, 3), keepdim=True)
        grey = (grey - mean) * each(draws.contrast) + mean + each(draws.brightness)
    return grey.clamp(0, 1), mask


def _grid(grey: Tensor, draws: Draws) -> Tensor:
    """Where each output pixel is read from: turned, then mirrored, then zoomed about the centre."""
    cosine, sine = torch.cos(draws.angle) / draws.zoom, torch.sin(draws.angle) / draws.zoom
    zero = torch.zeros_like(cosine)
    rows = [cosine * draws.mirror, -sine * draws.mirror, zero, sine * draws.upend, cosine * draws.upend, zero]
    matrix = torch.stack(rows, dim=1).view(-1, 2, 3).to(grey.device)
    return F.affine_grid(matrix, list(grey.shape), align_corners=False)
