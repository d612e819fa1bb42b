"""A labeller that takes a fixed time for each slice instead of computing: what is left is what maskloom itself costs.

It reads slices from the object store and stores a mask for each, as the real one does, without a network and without torch.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from maskloom.pipelines import crew, drive
from maskloom.pipelines.crew import Crew
from maskloom.pipelines.jobs import LabelJob, SliceLabel, TrainJob, TrainResult, WorkerSettings
from maskloom.pipelines.work import Work
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.store import open_store

SECONDS = "BENCH_SECONDS_A_SLICE"
"""The environment variable that says how long a slice takes."""
STARTED = "BENCH_STARTED"
"""That of a folder in which each actor leaves a file when it starts."""
MASK_SIZE = 32


class FixedTime:
    """Stands where `workers.labeller.Labeller` does."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._objects = open_store(settings.objects_url)
        self._seconds = float(os.environ[SECONDS])
        # Tasks overlap in their reading and storing, but share what would be one GPU.
        self._computing = threading.Lock()
        Path(os.environ[STARTED], str(os.getpid())).touch()

    def label(self, job: LabelJob) -> list[SliceLabel]:
        size = job.prediction.batch_size
        batches = [job.slices[first : first + size] for first in range(0, len(job.slices), size)]
        return [label for batch in batches for label in self._batch(batch)]

    def _batch(self, slices: Sequence[str]) -> list[SliceLabel]:
        self._objects.get_many(slices)
        with self._computing:
            time.sleep(self._seconds * len(slices))
        files = [encode_png(mask_of(slice_)) for slice_ in slices]
        return [
            SliceLabel(
                slice=slice_,
                mask=mask,
                size_bytes=len(file),
                scores={"area": 0.1, "peak": 0.9, "uncertainty": 0.1},
                compute_s=self._seconds,
            )
            for slice_, mask, file in zip(slices, self._objects.put_many(files), files, strict=True)
        ]


def mask_of(slice_: str) -> Any:
    """A mask that no other slice has."""
    line = np.frombuffer(bytes.fromhex(slice_), np.uint8)
    return np.repeat(line[None], MASK_SIZE, axis=0)


class UntrainedCrew(Crew):
    """Trains by writing a few bytes."""

    def train(self, job: TrainJob, work: Work) -> TrainResult:
        network = f"network of {job.key}".encode()
        digest = self._platform.objects.put(network)
        return TrainResult(digest=digest, size_bytes=len(network), steps=1, curve=((1, 1.0, 0.5),))


@contextmanager
def in_fixed_time(seconds: float) -> Iterator[Callable[[], int]]:
    """Runs that begin meanwhile in this process label a slice in so many seconds. Before Ray starts.

    Yields a function that tells how many actors have started.
    """
    labeller = f"{FixedTime.__module__}:{FixedTime.__name__}"
    with (
        TemporaryDirectory() as started,
        patch.dict(os.environ, {SECONDS: str(seconds), STARTED: started}),
        patch.object(crew, "LABELLER", labeller),
        patch.object(drive, "Crew", UntrainedCrew),
    ):
        yield lambda: len(list(Path(started).iterdir()))
