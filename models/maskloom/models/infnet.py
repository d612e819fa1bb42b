"""Inf-Net: a slice in, five maps of infection out (Fan et al., IEEE TMI 39(8), 2020, section III, figure 2).

`training.Training` fits it, `inference.Predictor` uses it. `build` makes a fresh one and `load` one with given weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskloom.models import backbones
from maskloom.models.backbones import Backbone
from maskloom.models.blocks import EdgeAttention, ParallelPartialDecoder, ReceptiveField, ReverseAttention
from maskloom.models.checkpoint_file import copy_weights
from maskloom.models.parameters import Intensity, NetworkParameters


class Logits(NamedTuple):
    """Maps before the sigmoid, each (B, 1, H / stride, W / stride) of the input's (H, W). All are trained."""

    edge: Tensor
    """Stride 4: the outline of the infection."""
    global_map: Tensor
    """Stride 8: the rough map S_g of the parallel partial decoder."""
    s5: Tensor
    """Stride 32."""
    s4: Tensor
    """Stride 16."""
    s3: Tensor
    """Stride 8: the result, after a sigmoid and x8."""


class InfNet(nn.Module):
    """The network. `intensity` says how grey values are prepared for it (`intensity.standardise`)."""

    def __init__(self, backbone: Backbone, channels: int = 32, intensity: Intensity = "plain") -> None:
        super().__init__()
        self.backbone = backbone
        self.intensity: Intensity = intensity
        c2, c3, c4, c5 = backbone.channels
        self.edge_attention = EdgeAttention(c2)
        self.field3 = ReceptiveField(c3, channels)
        self.field4 = ReceptiveField(c4, channels)
        self.field5 = ReceptiveField(c5, channels)
        self.decoder = ParallelPartialDecoder(channels)
        # The paper's 256 channels and 5x5 kernels are for backbones whose f5 has 512 channels or more; under a small
        # backbone (EfficientNet-Lite0: 320) they would be more than half of all weights.
        deepest = (
            {"width": 256, "kernel": 5, "depth": 3} if c5 >= 512 else {"width": 64, "kernel": 3, "depth": 2}
        )
        self.reverse5 = ReverseAttention(c5, **deepest)
        self.reverse4 = ReverseAttention(c4, width=64, kernel=3, depth=2)
        self.reverse3 = ReverseAttention(c3, width=64, kernel=3, depth=2)

    def forward(self, images: Tensor) -> Logits:
        """Standardised images (B, 3, H, W), H and W multiples of 32 -> Logits."""
        f2, f3, f4, f5 = self.backbone(images)
        edge_features, edge = self.edge_attention(f2)
        global_map = self.decoder(self.field3(f3), self.field4(f4), self.field5(f5))
        s5 = self.reverse5(f5, global_map, edge_features)
        s4 = self.reverse4(f4, s5, edge_features)
        s3 = self.reverse3(f3, s4, edge_features)
        return Logits(edge=edge, global_map=global_map, s5=s5, s4=s4, s3=s3)


def build(parameters: NetworkParameters, seed: int = 0) -> InfNet:
    """A network to be trained; what is not pretrained is drawn from `seed` alone.

    Raises ModelError if the backbone or its weights cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = backbones.create(parameters.backbone, parameters.weights)
        return InfNet(backbone, parameters.channels, parameters.intensity)


def load(parameters: NetworkParameters, weights: Mapping[str, Tensor]) -> InfNet:
    """The network with the weights that `Training.weights` gave; needs no ImageNet weights.

    Raises ModelError if they belong to another network.
    """
    network = build(replace(parameters, weights="random"))
    take_weights(network, weights)
    return network


def placed(network: InfNet, device: torch.device) -> InfNet:
    """`network` on `device` in channels_last. `.to` takes four times as long to find that it is there already."""

    def is_there(value: Tensor) -> bool:
        ordered = value.ndim != 4 or value.is_contiguous(memory_format=torch.channels_last)
        # The device of a tensor has a number, and "cuda" means whichever it is on.
        here = value.device.type == device.type and device.index in {None, value.device.index}
        return here and ordered

    if all(map(is_there, network.parameters())):
        return network
    return network.to(device, memory_format=torch.channels_last)


def take_weights(network: InfNet, weights: Mapping[str, Tensor]) -> None:
    """Copy what `Training.weights` gave into `network`, wherever that is.

    Raises ModelError if they belong to another network.
    """
    copy_weights(network.state_dict(), weights)
