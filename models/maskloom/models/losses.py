"""Inf-Net's deep supervision (Fan et al. 2020, section III-C; weighted BCE and IoU: Wei et al. 2020).

`training.Training` calls `deep_supervision`. Everything is computed per image in float32 and then averaged over the images,
so that a batch gives the same loss whole or split over workers.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from maskloom.models.blocks import resize
from maskloom.models.infnet import Logits

_WINDOW = 31


def pixel_weight(mask: Tensor) -> Tensor:
    """w = 1 + 5 |mean of the mask in 31x31 - mask|, (B, 1, H, W) in 1..6: large near outlines and on small lesions.

    The window is pooled as 31x1 and then 1x31, which gives the same mean for a fifteenth of the work; beyond the border the
    mask counts as 0.
    """
    half = _WINDOW // 2
    mean = F.avg_pool2d(mask, (_WINDOW, 1), stride=1, padding=(half, 0))
    mean = F.avg_pool2d(mean, (1, _WINDOW), stride=1, padding=(0, half))
    return 1 + 5 * (mean - mask).abs()


def edge_of(mask: Tensor) -> Tensor:
    """The pixels of the mask (> 0.5) that touch its outside, (B, 1, H, W) of 0 and 1; the image's border is no edge."""
    inside = (mask > 0.5).float()
    eroded = -F.max_pool2d(-inside, kernel_size=3, stride=1, padding=1)
    return inside - eroded


def deep_supervision(
    logits: Logits, mask: Tensor, bce: Literal["weighted", "published"] = "weighted"
) -> Tensor:
    """Mean over images of BCE(edge) + the sum over S_g, S_5, S_4, S_3 of weighted BCE + weighted IoU; a scalar.

    `mask` is float32 (B, 1, H, W) in 0..1 and may be soft; the maps are brought to its size. `published` leaves the BCE of
    the four maps unweighted.
    """
    with torch.autocast(mask.device.type, enabled=False):
        size = mask.shape[2:]
        edge = F.binary_cross_entropy_with_logits(resize(logits.edge.float(), size), edge_of(mask))
        maps = torch.cat([resize(deep.float(), size) for deep in logits[1:]], dim=1)
        target = mask.expand_as(maps)
        weight = pixel_weight(mask)
        entropy = F.binary_cross_entropy_with_logits(maps, target, reduction="none")
        if bce == "weighted":
            entropy = (weight * entropy).sum((2, 3)) / weight.sum((2, 3))
        else:
            entropy = entropy.mean((2, 3))
        probability = torch.sigmoid(maps)
        overlap = (weight * probability * target).sum((2, 3))
        total = (weight * (probability + target)).sum((2, 3))
        iou = 1 - (overlap + 1) / (total - overlap + 1)
        return edge + (entropy + iou).sum(1).mean()
