"""From a slice's stored grey values to what the network sees. Training and inference both go through here."""

from __future__ import annotations

import torch
from torch import Tensor

from maskloom.models.parameters import Intensity

_LOW, _HIGH = 0.005, 0.995


def to_grey(images: Tensor, intensity: Intensity) -> Tensor:
    """uint8 (B, 1, H, W) -> float32 (B, 1, H, W) in 0..1.

    `percentile` stretches each slice between its own 0.5 and 99.5 percentiles; a slice of one grey value becomes 0.
    """
    if intensity == "plain":
        return images.float() / 255
    counts = torch.zeros(len(images), 256, dtype=torch.float32, device=images.device)
    flat = images.flatten(1).long()
    counts.scatter_add_(1, flat, torch.ones((), device=images.device).expand(flat.shape))
    share = counts.cumsum(1) / flat.shape[1]
    low = (share < _LOW).sum(1).view(-1, 1, 1, 1).float()
    high = (share < _HIGH).sum(1).view(-1, 1, 1, 1).float()
    return ((images.float() - low) / (high - low).clamp(min=1)).clamp(0, 1)


def standardise(grey: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Grey values in 0..1, (B, 1, H, W) -> (B, 3, H, W) with the backbone's mean and deviation, (1, 3, 1, 1) each."""
    return ((grey - mean) / std).contiguous(memory_format=torch.channels_last)
