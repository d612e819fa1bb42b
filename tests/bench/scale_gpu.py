"""Labelling by the paper's network on GPUs, through the whole of a run: object store, actors, driver and catalog."""

from __future__ import annotations

import contextlib
import statistics
from typing import Any

from bench import many_slices
from bench.data import bench_platform
from bench.gpu_busy import watched
from bench.labels_came import LabelsCame
from maskloom.pipelines import drive
from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.platform.imaging.phantom import phantom_volume

_STAGES = ("supervised", "fine_tune", "pretrain", "final")
_SETTINGS = [
    "network.backbone=res2net50d", "network.intensity=plain",
    "prediction.size=352", "prediction.flip=false", "prediction.engine=torch", "prediction.precision=bf16",
    *(f"{stage}.steps=1" for stage in _STAGES),
    *(f"{stage}.size=64" for stage in _STAGES),
]  # fmt: skip


def measure(workers: int, count: int, batch: int) -> dict[str, Any]:
    """Labels a second by Res2Net-50 at 352 pixels of slices of 512, and how busy the first GPU is, until the last label."""
    drawn, _ = phantom_volume(seed=1, slices=9, size=512)
    stop = Stop()
    observer = _UntilAllAreLabelled(stop)
    with bench_platform() as platform:
        many_slices.fill(platform, count, drawn[4])
        run = many_slices.a_run(platform, count, batch_size=batch, seed=1, settings=_SETTINGS)
        with watched() as looks:
            observer.looks = looks
            with contextlib.suppress(Stopped):
                drive.drive(platform, run, workers=workers, observer=observer, stop=stop)
    return {
        "workers": workers,
        "slices": observer.came[-1][0],
        "batch": batch,
        "rate": observer.rate(),
        "busy": statistics.mean(looks[observer.looked :]),
    }


class _UntilAllAreLabelled(LabelsCame):
    """Stops the run there, and knows how many looks at the GPU there were before the first labels."""

    looks: list[float]
    looked = 0

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self._stop = stop

    def progress(self, progress: Any) -> None:
        if progress.kind == "label" and not self.came:
            self.looked = len(self.looks)
        super().progress(progress)

    def done(self, kind: str, round_number: int | None, output: object) -> None:
        if kind == "label":
            self._stop.request("paused")
