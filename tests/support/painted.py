"""Finished runs in seconds: the real method, steps and catalog, with a crew that paints instead of training.

What a run leaves behind (facts, blobs, outputs) has its true form, and every mask is known beforehand.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.models.metrics import measure_slice
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.jobs import EvaluateJob, LabelJob, SliceEvaluation, SliceLabel, TrainJob, TrainResult
from maskloom.pipelines.parameters import GateParameters, SamplerParameters
from maskloom.pipelines.recipes import SemiInfNet
from maskloom.pipelines.steps.ingest import Intake, ingest
from maskloom.pipelines.stopping import Stop
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.facts import Split
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.formats import decode_grey8, encode_png
from maskloom.platform.imaging.phantom import phantom_volume
from maskloom.platform.objects.sources import open_source
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from support.servers import PostgresServer, remove_home, short_folder

Grey = NDArray[np.uint8]

SIZE = 96
DATASET = "phantom"
VOLUMES = {Split.LABELLED: "<i>expert&\"'", Split.UNLABELLED: "pool", Split.TEST: "test"}
"""The volume of each split's slices: of experts' ones a name that is no markup and no file name everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """A finished run, and the true lesions of every slice of its data set by digest."""

    platform: Platform
    run: Run
    truth: dict[str, Grey]


class Quiet:
    """An observer who does not look."""

    def started(self, kind: str, round_number: int | None) -> None: ...
    def waiting(self, kind: str, round_number: int | None, holder: str) -> None: ...
    def progress(self, progress: object) -> None: ...
    def done(self, kind: str, round_number: int | None, output: object) -> None: ...


class PaintedCrew:
    """Stands where `crew.Crew` does. The less a network was trained, the more blurred it sees lesions."""

    def __init__(self, platform: Platform, truth: dict[str, Grey]) -> None:
        self._objects = platform.objects
        self._truth = truth

    def train(self, job: TrainJob, work: object) -> TrainResult:
        trained = self._trainings(job.start) + 1 if job.start else 1
        network = f"{trained} trainings, now on {len(job.pairs)} slices from {job.start}".encode()
        steps = job.training.steps or 100
        curve = tuple(
            (step, 3.0 / (1 + step / 20), 1 - 0.8 / (1 + step / 20)) for step in range(1, steps + 1, 5)
        )
        return TrainResult(
            digest=self._objects.put(network),
            size_bytes=len(network),
            steps=steps,
            curve=curve,
            images_per_s=12.5,
            compute_s=1.5,
        )

    def label(self, job: LabelJob, done: Collection[str], work: object) -> Iterator[list[SliceLabel]]:
        yield [self._label(digest, job.checkpoint) for digest in job.slices if digest not in done]

    def evaluate(self, job: EvaluateJob, work: object) -> list[SliceEvaluation]:
        rows = []
        for image, mask in job.pairs:
            soft = self._paint(image, job.checkpoint)
            file = encode_png(soft)
            rows.append(
                SliceEvaluation(
                    slice=image,
                    prediction=self._objects.put(file),
                    size_bytes=len(file),
                    measures=asdict(measure_slice(soft, decode_grey8(self._objects.get(mask)))),
                )
            )
        return rows

    def close(self) -> None: ...

    def _trainings(self, checkpoint: str) -> int:
        return int(self._objects.get(checkpoint).split()[0])

    def _paint(self, digest: str, checkpoint: str) -> Grey:
        blurred = cv2.GaussianBlur(self._truth[digest], (0, 0), 1 + 4 / self._trainings(checkpoint))
        return np.asarray(blurred if blurred.max() >= 128 else np.zeros_like(blurred), np.uint8)

    def _label(self, digest: str, checkpoint: str) -> SliceLabel:
        soft = self._paint(digest, checkpoint)
        file = encode_png(soft)
        scores = {
            "area": float((soft >= 128).mean()),
            "peak": float(soft.max()) / 255,
            "uncertainty": int(digest[:2], 16) / 255,
        }
        return SliceLabel(
            slice=digest,
            mask=self._objects.put(file),
            size_bytes=len(file),
            scores=scores,
            compute_s=0.05,
        )


@contextmanager
def painted_run(server: PostgresServer) -> Iterator[Painted]:
    """A finished run: 5 expert, 12 unlabelled and 4 test slices, three rounds, half of the labels refused."""
    home = short_folder()
    database = f"test_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {database}")
    url = server.url.removesuffix("postgres") + database
    with open_platform(Settings(home=home, database_url=url)) as platform:
        truth = {}
        for seed, (split, count) in enumerate({"labelled": 5, "unlabelled": 12, "test": 4}.items()):
            truth |= ingest_phantom(platform, home / split, Split(split), count, seed)
        yield Painted(platform=platform, run=paint(platform, quick_recipe(), truth), truth=truth)
    server.execute(f"DROP DATABASE {database} WITH (FORCE)")
    remove_home(home)


def quick_recipe() -> SemiInfNet:
    """Groups of four slices; about half of the labels pass, by the first digits of the slice's digest."""
    quick = recipes.named("semi-inf-net-quick")
    assert isinstance(quick, SemiInfNet)
    return replace(
        quick,
        sampler=SamplerParameters(group_size=4),
        gate=GateParameters(kind="confidence", uncertainty=0.5),
    )


def paint(platform: Platform, recipe: recipes.Recipe, truth: dict[str, Grey]) -> Run:
    """Create and drive a run of `recipe` to its end."""
    run, _ = drive.create(platform, recipe, DATASET, seed=1)
    with painting(truth):
        drive.drive(platform, run, workers=1, observer=Quiet(), stop=Stop())
    return run


@contextmanager
def painting(truth: dict[str, Grey]) -> Iterator[None]:
    """Whoever drives a run meanwhile has a crew that paints."""
    with patch.object(drive, "Crew", lambda platform, _workers: PaintedCrew(platform, truth)):
        yield


def ingest_phantom(platform: Platform, folder: Path, split: Split, count: int, seed: int) -> dict[str, Grey]:
    """Ingest a phantom of `count` slices; returns its lesions by slice digest."""
    images, masks = phantom_volume(seed, count, SIZE)
    for sort in ("images", "masks"):
        (folder / sort).mkdir(parents=True)
    truth = {}
    for position, (image, mask) in enumerate(zip(images, masks, strict=True)):
        data = encode_png(image)
        name = f"{VOLUMES[split]}_{position}.png"
        truth[sha256(data)] = mask
        (folder / "images" / name).write_bytes(data)
        (folder / "masks" / name).write_bytes(encode_png(mask))
    intake = Intake(
        images=open_source(str(folder / "images")),
        masks=None if split is Split.UNLABELLED else open_source(str(folder / "masks")),
        dataset=DATASET,
        split=split,
    )
    report = ingest(platform, intake, lambda _done, _total: None)
    assert report.added == count
    return truth
