"""One worker of a small training, as a process: `training_worker.py RANK WORLD MEETING_FILE OUTPUT_FOLDER`.

Trains two stages with one network, as the rounds of a run do, and saves what it saw for test_training.py to compare.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from maskloom.models.backbones import timm
from maskloom.models.batch_norm import synchronise
from maskloom.models.infnet import build
from maskloom.models.parameters import AugmentParameters, NetworkParameters, TrainingParameters
from maskloom.models.training import Training
from maskloom.models.training_data import TrainingData

PARAMETERS = TrainingParameters(
    steps=10,
    batch_size=4,
    size=96,
    scales=(0.67, 1.0, 1.33),
    scale_choice="one",
    learning_rate=1e-4,
    schedule="cosine",
    average=0.9,
    augment=AugmentParameters(flip_horizontal=True, gamma=1.3, rotate_degrees=10),
)


def blobs(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Bright discs on noise, and their masks: uint8 (count, 1, size, size)."""
    random = torch.Generator().manual_seed(5)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centres = torch.randint(size // 4, 3 * size // 4, (count, 2), generator=random)
    radii = torch.randint(size // 8, size // 4, (count,), generator=random)
    distances = (rows - centres[:, 0, None, None]) ** 2 + (columns - centres[:, 1, None, None]) ** 2
    inside = (distances < radii[:, None, None] ** 2).unsqueeze(1)
    noise = torch.randint(0, 100, inside.shape, generator=random)
    return (noise + 120 * inside).to(torch.uint8), (255 * inside).to(torch.uint8)


def normalise(rank: int, world: int) -> dict[str, Tensor]:
    """A float64 batch through two batch norms, forwards and backwards; this worker's share of it."""
    torch.manual_seed(8)
    features, upstream = torch.randn(2, 6, 5, 7, 7, dtype=torch.float64)
    norms = nn.Sequential(nn.BatchNorm2d(5), timm.layers.BatchNormAct2d(5)).double()
    for norm in norms:
        nn.init.uniform_(norm.weight)
        nn.init.uniform_(norm.bias)
    if world > 1:
        synchronise(norms)
    share = 6 // world
    own = slice(rank * share, (rank + 1) * share)
    inputs = (2 * features + 1)[own].requires_grad_()
    outputs = norms(inputs)
    outputs.backward(upstream[own])
    assert inputs.grad is not None
    weights = {f"gradient of {name}": p.grad for name, p in norms.named_parameters()}
    return {"outputs": outputs.detach(), "inputs": inputs.grad, **norms.state_dict(), **weights}


def main(rank: int, world: int, meeting: Path, output: Path) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    data = TrainingData(size=96)
    data.append(*blobs(9, 96))
    network = build(NetworkParameters())
    curves = []
    for seed in (3, 4):
        training = Training(network, PARAMETERS, data, seed, rank=rank, world=world)
        reports = [training.step() for _ in range(training.total_steps)]
        curves.append([(report.loss, report.dice, report.images) for report in reports])
    seen = {"curves": curves, "weights": training.weights(), "norm": normalise(rank, world)}
    torch.save(seen, output / f"{world}-{rank}.pt")
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
