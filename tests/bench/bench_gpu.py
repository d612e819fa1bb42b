"""`make bench-gpu`: training and labelling by `maskloom.models` alone, on the GPU if there is one, else on the CPU.

It writes `models-cuda.md` or `models-cpu.md` into a folder, and the same figures beside it as JSON. Ratios are of
medians, taken in turns within one process, against a straightforward eager float32 program on the same device.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.gpu_busy import busy_while
from bench.machine import processor
from maskloom.models.inference import Predictor
from maskloom.models.infnet import build
from maskloom.models.losses import edge_of
from maskloom.models.parameters import NetworkParameters, PredictionParameters, TrainingParameters
from maskloom.models.training import Training
from maskloom.models.training_data import TrainingData

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
RES2NET = NetworkParameters(backbone="res2net50d", weights="random")
LITE0 = NetworkParameters(backbone="tf_efficientnet_lite0", weights="random")
ONE_SCALE = TrainingParameters(steps=10**9, batch_size=4, scales=(1.0,), precision="bf16")
PUBLISHED_OPTIMISER_STEPS = 464_400  # stage 2 of Semi-Inf-Net, at batch 16
PUBLISHED_HOURS = 36  # "at least day and a half"


def slices(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Noise, and a blob of mask in each: uint8 (count, 1, size, size)."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (count, 1, size, size), generator=random, dtype=torch.uint8)
    coarse = torch.rand(count, 1, 6, 6, generator=random)
    masks = F.interpolate(coarse, (size, size), mode="bicubic") > 0.7
    return noise, masks.to(torch.uint8) * 255


class PlainTraining:
    """The training step as one would first write it: eager, float32, contiguous, every map's loss on its own."""

    def __init__(self, batch: int, size: int) -> None:
        images, masks = (tensor.to(DEVICE) for tensor in slices(batch, size))
        self.network = build(RES2NET).to(DEVICE).train()
        self.images = (images.float() / 255 - self.network.backbone.mean) / self.network.backbone.std
        self.masks = masks.float() / 255
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-4)

    def step(self) -> None:
        self.optimiser.zero_grad()
        logits = [F.interpolate(m, self.masks.shape[2:], mode="bilinear") for m in self.network(self.images)]
        loss = F.binary_cross_entropy_with_logits(logits[0], edge_of(self.masks))
        for deep in logits[1:]:
            loss = loss + self._weighted(deep)
        loss.backward()
        nn.utils.clip_grad_value_(self.network.parameters(), 0.5)
        self.optimiser.step()

    def _weighted(self, logits: Tensor) -> Tensor:
        weight = 1 + 5 * (F.avg_pool2d(self.masks, 31, stride=1, padding=15) - self.masks).abs()
        entropy = F.binary_cross_entropy_with_logits(logits, self.masks, reduction="none")
        entropy = (weight * entropy).sum((2, 3)) / weight.sum((2, 3))
        probability = torch.sigmoid(logits)
        overlap = (weight * probability * self.masks).sum((2, 3))
        total = (weight * (probability + self.masks)).sum((2, 3))
        return (entropy + 1 - (overlap + 1) / (total - overlap + 1)).mean()


def our_training(parameters: TrainingParameters) -> Training:
    data = TrainingData(parameters.size, DEVICE)
    data.append(*slices(parameters.batch_size, parameters.size))
    return Training(build(RES2NET), parameters, data, seed=0, device=DEVICE)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def in_turns(variants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, after two runs of each to warm up: the second one is recorded on a GPU."""
    for run in [*variants.values()] * 2:
        run()
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, run in variants.items():
            taken[name].append(seconds(run))
    return {name: statistics.median(values) for name, values in taken.items()}


def peak_mib(run: Callable[[], object]) -> float:
    """The most memory that `run` takes: what torch reserves on the GPU, recordings included, or what this process uses."""
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_reserved()
        torch.cuda.reset_peak_memory_stats()
        for _ in range(3):  # the second one is recorded
            seconds(run)
        return (torch.cuda.max_memory_reserved() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use
    run()
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**10


def busy(run: Callable[[], object]) -> float | None:
    """The share of the time in which the GPU works while `run` is repeated; None without one."""
    return busy_while(run) if DEVICE.type == "cuda" else None


def train(batch: int, repeats: int) -> dict[str, Any]:
    """A training step of Res2Net-50 at 352: ours in bf16 and in fp32, and the plain one."""
    bf16 = our_training(replace(ONE_SCALE, batch_size=batch))
    memory = {"bf16": peak_mib(bf16.step)}
    fp32 = our_training(replace(ONE_SCALE, batch_size=batch, precision="fp32"))
    plain = PlainTraining(batch, 352)
    memory["plain"] = peak_mib(plain.step)
    taken = in_turns({"plain": plain.step, "fp32": fp32.step, "bf16": bf16.step}, repeats)
    return {"batch": batch, "seconds": taken, "peak_mib": memory, "busy": busy(bf16.step)}


def label(network: NetworkParameters, size: int, batch: int, repeats: int) -> dict[str, Any]:
    """Labelling a batch of slices by each engine, against the plain forward pass; images a second."""
    images = slices(batch, size)[0].to(DEVICE)
    plain = build(network).to(DEVICE).eval()

    @torch.inference_mode()
    def plain_run() -> Tensor:
        standard = (images.float() / 255 - plain.backbone.mean) / plain.backbone.std
        return torch.sigmoid(F.interpolate(plain(standard).s3, (size, size), mode="bilinear")).cpu()

    variants: dict[str, Callable[[], object]] = {"plain": plain_run}
    engines = ["torch"]
    if DEVICE.type == "cpu" and importlib.util.find_spec("openvino"):
        engines.append("openvino")
    preparation = {}
    for engine in engines:
        for precision in ("fp32", "bf16"):
            began = time.perf_counter()
            wanted = PredictionParameters(size=size, engine=engine, precision=precision, batch_size=batch)  # type: ignore[arg-type]
            predictor = Predictor(build(network), wanted, DEVICE)
            preparation[f"{engine} {precision}"] = time.perf_counter() - began
            variants[f"{engine} {precision}"] = lambda predictor=predictor: predictor.probabilities(
                images
            ).cpu()
    taken = in_turns(variants, repeats)
    return {
        "network": network.backbone,
        "size": size,
        "batch": batch,
        "images_per_s": {name: batch / value for name, value in taken.items()},
        "preparation_s": preparation,
        "busy": {name: busy(variants[name]) for name in preparation},
    }


def project() -> dict[str, float]:
    """The paper's whole stage 2, from its step: batch 16 at 256, 352 and 448, one optimiser step each."""
    paper = our_training(replace(ONE_SCALE, batch_size=16, scales=(0.75, 1.0, 1.25)))
    step = in_turns({"paper": paper.step}, repeats=9)["paper"]
    return {"batch_s": step, "hours": PUBLISHED_OPTIMISER_STEPS / 3 * step / 3600}


def page(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "# Training and labelling by `maskloom.models` alone",
        "",
        f"`make bench-gpu` on {figures['date']}: {figures['device']}, torch {torch.__version__},",
        f"{torch.get_num_threads()} threads, load average {figures['load']:.1f}. Random pixels, random weights.",
        '"Plain" is the same network as a straightforward program would train and run it: eager float32, NCHW.',
        "",
        "## A training step (Res2Net-50, 352 pixels)",
        "",
        (
            "| batch | plain, s | fp32, s | bf16, s | plain / bf16 | images/s, bf16 | GPU busy, bf16 | peak memory plain, MiB "
            "| peak memory bf16, MiB |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in figures["training"]:
        taken, memory = row["seconds"], row["peak_mib"]
        lines.append(
            f"| {row['batch']} | {taken['plain']:.3f} | {taken['fp32']:.3f} | {taken['bf16']:.3f} | "
            f"{taken['plain'] / taken['bf16']:.2f} | {row['batch'] / taken['bf16']:.0f} | {_share(row['busy'])} | "
            f"{memory['plain']:.0f} | {memory['bf16']:.0f} |"
        )
    lines += ["", "## Labelling", ""]
    lines += ["| network | batch | engine | images/s | against plain | GPU busy | made in, s |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for row in figures["labelling"]:
        for name, rate in row["images_per_s"].items():
            made = f"{row['preparation_s'][name]:.1f}" if name in row["preparation_s"] else ""
            ratio = rate / row["images_per_s"]["plain"]
            lines.append(
                f"| {row['network']}, {row['size']} | {row['batch']} | {name} | {rate:.1f} | {ratio:.2f} | "
                f"{_share(row['busy'].get(name))} | {made} |"
            )
    if "projection" in figures:
        projection = figures["projection"]
        lines += [
            "",
            "## The paper's schedule",
            "",
            f"A batch of 16 at its three scales takes {projection['batch_s']:.3f} s; the {PUBLISHED_OPTIMISER_STEPS:,}",
            f"optimiser steps of stage 2 would take {projection['hours']:.1f} hours.",
            f"Published: at least {PUBLISHED_HOURS} hours.",
        ]
    return "\n".join(lines) + "\n"


def _share(busy: float | None) -> str:
    return "" if busy is None else f"{busy:.2f}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path, help="where to write models-cuda.md or models-cpu.md")
    out = arguments.parse_args().folder / f"models-{DEVICE.type}.md"
    cuda = DEVICE.type == "cuda"
    repeats = 15 if cuda else 3
    figures: dict[str, Any] = {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "device": torch.cuda.get_device_name() if cuda else processor(),
        "training": [train(4, repeats), train(16, repeats if cuda else 1)],
        "labelling": [
            label(network, size, batch, repeats)
            for network, size in ((RES2NET, 352), (LITE0, 224))
            for batch in ((8, 64) if cuda else (8,))
        ],
    }
    if cuda:
        figures["projection"] = project()
    figures["load"] = os.getloadavg()[1]
    text = page(figures)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    out.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n")
    print(text)


if __name__ == "__main__":
    main()
