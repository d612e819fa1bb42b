"""An exponential moving average of a network's weights and batch statistics, kept by `training.Training`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """average <- d average + (1 - d) weights after every optimiser step, for all floating-point entries alike.

    d is `decay`, but at most (1 + t) / (10 + t) at optimiser step t, so that a short stage is not held back by its
    beginning. Batch statistics are averaged too, so that they match the averaged weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay, self._updates = decay, 0
        current = network.state_dict()  # the network's own tensors: they change as it trains
        self._average = {name: value.detach().clone() for name, value in current.items()}
        floating = [name for name, value in current.items() if value.is_floating_point()]
        counters = [name for name in current if name not in set(floating)]
        self._averaged = [self._average[name] for name in floating], [current[name] for name in floating]
        self._copied = [self._average[name] for name in counters], [current[name] for name in counters]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network as it is now."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        torch._foreach_lerp_(*self._averaged, 1 - decay)
        torch._foreach_copy_(*self._copied)

    def weights(self) -> dict[str, Tensor]:
        """The averaged state dict itself, not a copy."""
        return self._average

    def state(self) -> dict[str, Any]:
        return {"updates": self._updates, "weights": self._average}

    def restore(self, state: dict[str, Any]) -> None:
        self._updates = state["updates"]
        for name, value in state["weights"].items():
            self._average[name].copy_(value)
