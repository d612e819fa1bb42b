"""Batch norm over the images of all workers, so that a batch trains alike whole or split.

`training.Training` calls `synchronise` when there is more than one worker. torch's SyncBatchNorm refuses CPU tensors, so
gloo gets the same thing written here; weights and their names stay those of the plain layer.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from maskloom.models.timm_import import timm


def synchronise(network: nn.Module) -> None:
    """Replace every batch norm in `network` by one over all workers, with the same parameters and buffers."""
    # timm's conversion, because its own norm layers hold an activation that torch's would drop.
    convert = timm.layers.convert_sync_batchnorm if next(network.parameters()).is_cuda else GlobalBatchNorm2d
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d) and not isinstance(child, GlobalBatchNorm2d):
                setattr(parent, name, convert(child))


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Stands in for `plain`, a BatchNorm2d or timm's BatchNormAct2d; every worker must hold equally many images."""

    def __init__(self, plain: nn.BatchNorm2d) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.drop, self.act = getattr(plain, "drop", nn.Identity()), getattr(plain, "act", nn.Identity())
        self.train(plain.training)

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return self.act(self.drop(super().forward(features)))
        normalised, mean, variance = _Normalise.apply(features, self.weight, self.bias, self.eps)
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            count = features.numel() / features.shape[1] * dist.get_world_size()
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        return self.act(self.drop(normalised))


class _Normalise(torch.autograd.Function):
    """Batch norm with mean and variance over all workers, forwards and backwards.

    Built from torch's own kernels, which read each tensor once and take bfloat16 features beside float32 weights; the same
    formulas as single operations take ten times as long.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        _, mean, deviation = torch.native_batch_norm(features, weight, bias, None, None, True, 0.0, eps)
        own = torch.stack([mean, deviation.pow(-2) - eps])
        every = own.new_empty(dist.get_world_size(), *own.shape)
        dist.all_gather(list(every.unbind()), own)
        mean = every[:, 0].mean(0)
        variance = every[:, 1].mean(0) + every[:, 0].var(0, correction=0)
        ctx.save_for_backward(features, weight, mean, variance)
        ctx.eps = eps
        normalised = F.batch_norm(features, mean, variance, weight, bias, training=False, eps=eps)
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        features, weight, mean, variance = ctx.saved_tensors
        # As if mean and variance were constants; the sums over pixels that it takes for weight and bias are also what
        # the constants' own share of the gradient needs, over all workers.
        direct, for_weight, for_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0], features, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([for_weight, for_bias])
        dist.all_reduce(sums)
        sums /= features.numel() / features.shape[1] * dist.get_world_size()
        slope, offset = sums * weight * torch.rsqrt(variance + ctx.eps)
        shared = F.batch_norm(features, mean, variance, slope, offset, training=False, eps=ctx.eps)
        # for_weight and for_bias stay this worker's own: DDP averages them with the others.
        return direct.sub_(shared), for_weight, for_bias, None
