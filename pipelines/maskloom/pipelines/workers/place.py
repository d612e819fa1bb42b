"""What both kinds of actor share: their device and threads, and a network that they keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import psutil
import torch
from torch import Tensor

from maskloom.models.checkpoint_file import CheckpointFile
from maskloom.models.infnet import InfNet, build, take_weights
from maskloom.models.parameters import NetworkParameters
from maskloom.pipelines.jobs import WorkerSettings
from maskloom.platform.fingerprint import canonical
from maskloom.platform.objects.store import ObjectStore


def prepare(settings: WorkerSettings) -> torch.device:
    """The device of this actor. Call it in each thread that computes: OpenMP counts threads per caller."""
    torch.set_num_threads(settings.threads or _cores())
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def _cores() -> int:
    return psutil.cpu_count(logical=False) or 1  # reads what Linux tells of every core


class HeldNetwork:
    """A network that an actor keeps from call to call, and the file in which its checkpoints come and go."""

    def __init__(self, parameters: NetworkParameters, network: InfNet) -> None:
        self.parameters, self.network = parameters, network
        self.checkpoint: str | None = None
        """Digest of the checkpoint whose weights the network has, if it has those of one."""
        self._file = CheckpointFile(network.state_dict(), {"network": canonical(parameters)})

    @classmethod
    def blank(cls, parameters: NetworkParameters) -> HeldNetwork:
        """One that is to take a checkpoint first: no other weights have to be on this machine."""
        return cls(parameters, build(replace(parameters, weights="random")))

    def take(self, checkpoint: str, objects: ObjectStore) -> None:
        """Give the network the weights of a checkpoint in the object store."""
        if checkpoint != self.checkpoint:
            weights = self._file.read(objects.get(checkpoint))
            self.checkpoint = None
            take_weights(self.network, weights)
            self.checkpoint = checkpoint

    def file(self, weights: Mapping[str, Tensor]) -> bytes:
        """A checkpoint: `weights`, and in its metadata which network they are for. Equal weights, equal bytes."""
        return self._file.filled_with(weights)


def stacked(images: list[Any]) -> Tensor:
    """uint8 (H, W) arrays of one size -> uint8 (B, 1, H, W)."""
    return torch.stack([torch.from_numpy(image) for image in images]).unsqueeze(1)
