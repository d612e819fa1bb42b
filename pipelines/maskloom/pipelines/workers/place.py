"""What both kinds of actor share: their device and threads, and networks to and from checkpoint files."""

from __future__ import annotations

from typing import Any

import psutil
import torch
from safetensors.torch import load as read_safetensors
from torch import Tensor

from maskloom.models.checkpoint_file import CheckpointFile
from maskloom.models.infnet import InfNet, take_weights
from maskloom.models.infnet import load as load_network
from maskloom.models.parameters import NetworkParameters
from maskloom.pipelines.jobs import WorkerSettings
from maskloom.platform.fingerprint import canonical
from maskloom.platform.objects.store import ObjectStore


def prepare(settings: WorkerSettings) -> torch.device:
    """The device of this actor. Call it in each thread that computes: OpenMP counts threads per caller."""
    torch.set_num_threads(settings.threads or psutil.cpu_count(logical=False) or 1)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def checkpoint_file(parameters: NetworkParameters, network: InfNet) -> CheckpointFile:
    """A file for the weights of `network`, whose metadata say which network they are for."""
    return CheckpointFile(network.state_dict(), {"network": canonical(parameters)})


def checkpoint_weights(objects: ObjectStore, digest: str) -> dict[str, Tensor]:
    """The weights in a checkpoint of the object store, on the CPU."""
    weights: dict[str, Tensor] = read_safetensors(objects.get(digest))
    return weights


class NetworkCache:
    """The network that was used last: consecutive calls mostly ask for the same one, or for the same shape."""

    def __init__(self, objects: ObjectStore, device: torch.device) -> None:
        self._objects = objects
        self._device = device
        self._held: tuple[NetworkParameters, str, InfNet] | None = None

    def get(self, parameters: NetworkParameters, checkpoint: str) -> InfNet:
        """The network of `checkpoint` on the device, for inference."""
        if self._held is None or self._held[0] != parameters:
            network = load_network(parameters, checkpoint_weights(self._objects, checkpoint))
            network.to(self._device).eval()
            self._held = (parameters, checkpoint, network)
        elif self._held[1] != checkpoint:
            network = self._held[2]
            take_weights(network, checkpoint_weights(self._objects, checkpoint))
            self._held = (parameters, checkpoint, network)
        return self._held[2]


def stacked(images: list[Any]) -> Tensor:
    """uint8 (H, W) arrays of one size -> uint8 (B, 1, H, W)."""
    return torch.stack([torch.from_numpy(image) for image in images]).unsqueeze(1)
