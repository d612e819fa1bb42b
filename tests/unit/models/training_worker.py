"""One worker of a small training, as a process: `training_worker.py RANK WORLD MEETING_FILE OUTPUT_FOLDER`.

Trains two stages with one network, as the rounds of a run do, and saves what it saw for test_training.py to compare.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from maskloom.models.infnet import build
from maskloom.models.parameters import AugmentParameters, NetworkParameters, TrainingParameters
from maskloom.models.training import Training
from maskloom.models.training_data import TrainingData

PARAMETERS = TrainingParameters(
    steps=10,
    batch_size=4,
    size=64,
    scales=(1.0, 1.5),
    scale_choice="one",
    learning_rate=1e-3,
    schedule="cosine",
    average=0.9,
    augment=AugmentParameters(flip_horizontal=True, gamma=1.3, rotate_degrees=10),
)


def blobs(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bright discs on noise, and their masks: uint8 (count, 1, size, size)."""
    random = torch.Generator().manual_seed(5)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centres = torch.randint(size // 4, 3 * size // 4, (count, 2), generator=random)
    radii = torch.randint(size // 8, size // 4, (count,), generator=random)
    distances = (rows - centres[:, 0, None, None]) ** 2 + (columns - centres[:, 1, None, None]) ** 2
    inside = (distances < radii[:, None, None] ** 2).unsqueeze(1)
    noise = torch.randint(0, 100, inside.shape, generator=random)
    return (noise + 120 * inside).to(torch.uint8), (255 * inside).to(torch.uint8)


def main(rank: int, world: int, meeting: Path, output: Path) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    data = TrainingData(size=64)
    data.append(*blobs(9, 64))
    network = build(NetworkParameters())
    curves = []
    for seed in (3, 4):
        training = Training(network, PARAMETERS, data, seed, rank=rank, world=world)
        reports = [training.step() for _ in range(training.total_steps)]
        curves.append([(report.loss, report.dice, report.images) for report in reports])
    torch.save({"curves": curves, "weights": training.weights()}, output / f"{world}-{rank}.pt")
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
