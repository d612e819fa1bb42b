"""The slices that a network is trained on, as uint8, and those of them that are kept on its device from round to round."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from maskloom.models.errors import ModelError


class Slices(Protocol):
    """What `training.Training` asks of what it trains on."""

    size: int
    """Edge of the square slices in pixels."""

    def samples(self) -> Tensor:
        """int64 (sum of repeats,): the index of the slice behind each sample of an epoch, before shuffling."""

    def prepare(self, indices: Tensor) -> None:
        """`indices` (B,) are what will be taken next."""

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images and masks at `indices` (B,), uint8 (B, 1, S, S) on the device, in any order and with repetitions."""


class TrainingData:
    """Slices that are all on the device.

    Images and soft masks of one size, grown by appending.

    `images` and `masks` are uint8 (N, 1, S, S) views of what has been appended, 0..255 for grey value and for probability;
    `repeats` is int64 (N,) on the CPU and says how often each stands in an epoch (0: left out). All three may be written
    through, as when a corrected mask replaces a pseudo label. **The order is part of what a training computes**: append in
    an order that the dataset version alone decides.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu", capacity: int = 64) -> None:
        if size <= 0 or size % 32:
            raise ModelError(f"Slices are trained at a multiple of 32 pixels, and {size} is none.")
        self.size = size
        self.device = torch.device(device)
        self._count = 0
        self._images = torch.empty(capacity, 1, size, size, dtype=torch.uint8, device=self.device)
        self._masks = torch.empty_like(self._images)
        self._repeats = torch.empty(capacity, dtype=torch.int64)

    def __len__(self) -> int:
        return self._count

    @property
    def images(self) -> Tensor:
        return self._images[: self._count]

    @property
    def masks(self) -> Tensor:
        return self._masks[: self._count]

    @property
    def repeats(self) -> Tensor:
        return self._repeats[: self._count]

    def append(self, images: Tensor, masks: Tensor, repeats: Tensor | int = 1) -> None:
        """Add uint8 (n, 1, S, S) images and masks. Storage doubles when full, so n slices cost about n copies.

        Raises ModelError for another type, another size or unequal numbers.
        """
        wanted = (len(images), 1, self.size, self.size)
        for name, tensor in (("images", images), ("masks", masks)):
            if tensor.dtype != torch.uint8 or tuple(tensor.shape) != wanted:
                raise ModelError(
                    f"Training {name} are uint8 {wanted}, and these are {tensor.dtype} {tuple(tensor.shape)}."
                )
        end = self._count + len(images)
        while end > len(self._images):
            self._images = torch.cat([self._images, torch.empty_like(self._images)])
            self._masks = torch.cat([self._masks, torch.empty_like(self._masks)])
            self._repeats = torch.cat([self._repeats, torch.empty_like(self._repeats)])
        self._images[self._count : end] = images.to(self.device)
        self._masks[self._count : end] = masks.to(self.device)
        self._repeats[self._count : end] = repeats
        self._count = end

    def samples(self) -> Tensor:
        """As `Slices` has it."""
        return torch.repeat_interleave(torch.arange(self._count), self.repeats)

    def prepare(self, _indices: Tensor) -> None:
        """Nothing is left to do."""

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """As `Slices` has it."""
        indices = indices.to(self.device)
        return self._images[indices], self._masks[indices]
