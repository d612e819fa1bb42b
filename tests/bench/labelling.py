"""Labelling from object store to stored masks against the same network's bare forward pass, interleaved in one process."""

from __future__ import annotations

import statistics
import time
from typing import Any

import psutil
import torch

from bench.data import bench_platform, real_slices
from maskloom.models.inference import Predictor
from maskloom.models.infnet import build
from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.pipelines.jobs import LabelJob, WorkerSettings
from maskloom.pipelines.workers.labeller import Labeller
from maskloom.pipelines.workers.place import HeldNetwork
from maskloom.platform.catalog import slices
from maskloom.platform.facts import Split

CASES = (
    (
        "EfficientNet-Lite0, 320, flip, as in semi-inf-net-quick",
        "tf_efficientnet_lite0",
        320,
        True,
        "bf16",
        96,
    ),
    ("Res2Net-50, 352, as in semi-inf-net", "res2net50d", 352, False, "fp32", 24),
)
REPEATS = 3


def measure(engine: str) -> list[dict[str, Any]]:
    """One row a case: images/s end to end and bare, and their ratio (the median of REPEATS interleaved pairs)."""
    with bench_platform() as platform:
        real_slices(platform, "bench", max(case[-1] for case in CASES))
        pool = platform.database.transaction(lambda c: slices.of_dataset(c, "bench", Split.UNLABELLED))
        return [_case(platform, engine, [item.digest for item in pool], *case) for case in CASES]


def _case(
    platform: Any,
    engine: str,
    pool: list[str],
    name: str,
    backbone: str,
    size: int,
    flip: bool,
    precision: str,
    count: int,
) -> dict[str, Any]:
    parameters = NetworkParameters(backbone=backbone, weights="random", intensity="percentile")
    prediction = PredictionParameters(size=size, flip=flip, engine=engine, precision=precision, batch_size=8)  # type: ignore[arg-type]
    network = build(parameters)
    file = HeldNetwork(parameters, network).file(network.state_dict())
    checkpoint = platform.objects.put(file)
    threads = psutil.cpu_count(logical=False) or 1
    labeller = Labeller(WorkerSettings(objects_url=platform.objects.url, threads=threads))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    predictor = Predictor(network.to(device), prediction, device)
    images = torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)
    job = LabelJob(
        network=parameters, prediction=prediction, checkpoint=checkpoint, slices=tuple(pool[:count])
    )
    labels = labeller.label(job)  # warm both up: engines compile at their first batch
    predictor.probabilities(images)
    rates = []
    for _ in range(REPEATS):
        for label in labels:
            platform.objects.delete(label.mask)  # a blob that is there is not written again
        end_to_end = _rate(lambda: labeller.label(job), count)
        rates.append((end_to_end, _rate(lambda: predictor.probabilities(images).cpu(), count)))
    return {
        "case": name,
        "engine": f"{engine} {precision}",
        "end_to_end": statistics.median(rate for rate, _ in rates),
        "bare": statistics.median(rate for _, rate in rates),
        "ratio": statistics.median(whole / bare for whole, bare in rates),
    }


def _rate(work: Any, count: int) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)
