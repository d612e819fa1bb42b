"""The parts of Inf-Net between backbone and output (Fan et al. 2020, section III; RFB: Liu et al. 2018).

`infnet.InfNet` puts them together. Every block keeps height and width unless it says otherwise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def resize(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Bilinear, (B, C, h, w) -> (B, C, *size)."""
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def _double(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


class ConvNorm(nn.Module):
    """Convolution and batch norm without activation, as the paper's decoder uses them."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], dilation: int = 1) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (height // 2), dilation * (width // 2))
        self.conv = nn.Conv2d(
            inputs, outputs, (height, width), padding=padding, dilation=dilation, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.conv(features))


class ReceptiveField(nn.Module):
    """Receptive-field block: four branches that see 1, 9, 15 and 21 pixels across, to `outputs` channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([ConvNorm(inputs, outputs, 1)])
        for reach in (3, 5, 7):
            self.branches.append(
                nn.Sequential(
                    ConvNorm(inputs, outputs, 1),
                    ConvNorm(outputs, outputs, (1, reach)),
                    ConvNorm(outputs, outputs, (reach, 1)),
                    ConvNorm(outputs, outputs, 3, dilation=reach),
                )
            )
        self.merge = ConvNorm(4 * outputs, outputs, 3)
        self.shortcut = ConvNorm(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        merged = self.merge(torch.cat([branch(features) for branch in self.branches], dim=1))
        return F.relu(merged + self.shortcut(features))


class EdgeAttention(nn.Module):
    """Edge features (B, 64, H/4, W/4) and the edge map's logits (B, 1, H/4, W/4) from f2 (paper: III-B, EA)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.features = nn.Sequential(ConvNorm(inputs, 64, 1), ConvNorm(64, 64, 3), ConvNorm(64, 64, 3))
        self.edge = ConvNorm(64, 1, 3)

    def forward(self, f2: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(f2)
        return features, self.edge(features)


class ParallelPartialDecoder(nn.Module):
    """The global map's logits (B, 1, H/8, W/8) from the three deep features of `channels` each (paper: III-B, PPD)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.deep_to_middle = ConvNorm(channels, channels, 3)
        self.deep_to_shallow = ConvNorm(channels, channels, 3)
        self.middle_to_shallow = ConvNorm(channels, channels, 3)
        self.deep_beside_middle = ConvNorm(channels, channels, 3)
        self.lift = ConvNorm(2 * channels, 2 * channels, 3)
        self.join_middle = ConvNorm(2 * channels, 2 * channels, 3)
        self.join_shallow = ConvNorm(3 * channels, 3 * channels, 3)
        self.out = nn.Sequential(ConvNorm(3 * channels, 3 * channels, 3), nn.Conv2d(3 * channels, 1, 1))

    def forward(self, shallow: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        """Features at strides 8, 16 and 32."""
        deep_up = _double(deep)
        gated_middle = self.deep_to_middle(deep_up) * middle
        gated_shallow = (
            self.deep_to_shallow(_double(deep_up)) * self.middle_to_shallow(_double(middle)) * shallow
        )
        joined = self.join_middle(torch.cat([gated_middle, self.deep_beside_middle(deep_up)], dim=1))
        joined = self.join_shallow(torch.cat([gated_shallow, self.lift(_double(joined))], dim=1))
        return self.out(joined)


class ReverseAttention(nn.Module):
    """Refines a deeper map by looking at what it leaves out (paper: III-B, RA)."""

    def __init__(self, inputs: int, width: int, kernel: int, depth: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(inputs, width, 1)
        self.refine = nn.ModuleList(
            ConvNorm(width + 64 if first else width, width, kernel)
            for first in [True] + [False] * (depth - 1)
        )
        self.out = ConvNorm(width, 1, 1 if kernel == 5 else 3)

    def forward(self, features: Tensor, deeper: Tensor, edge: Tensor) -> Tensor:
        """(B, C, h, w) features, (B, 1, ...) deeper logits, (B, 64, ...) edge features -> logits (B, 1, h, w)."""
        deeper = resize(deeper, features.shape[2:])
        attention = 1 - torch.sigmoid(deeper)
        # A 1x1 convolution without bias lets a factor per pixel through: applied after it, on a tenth of the channels.
        reduced = self.reduce.norm(self.reduce.conv(features) * attention)
        refined = torch.cat([reduced, resize(edge, features.shape[2:])], dim=1)
        for conv in self.refine:
            refined = F.relu(conv(refined))
        return self.out(refined) + deeper
