"""A labeller keeps one network from call to call, and never lets one checkpoint's masks pass for another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maskloom.models.errors import ModelError
from maskloom.models.infnet import build
from maskloom.models.parameters import NetworkParameters, PredictionParameters
from maskloom.pipelines.jobs import LabelJob, WorkerSettings
from maskloom.pipelines.workers.labeller import Labeller
from maskloom.pipelines.workers.place import HeldNetwork
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.store import ObjectStore, open_store

NETWORK = NetworkParameters(weights="random")
PREDICTION = PredictionParameters(size=64, flip=False, engine="torch", batch_size=2, stretch=True)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path.as_uri())


@pytest.fixture
def jobs(objects: ObjectStore) -> tuple[LabelJob, LabelJob]:
    """The same slices for two checkpoints."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 70, 80), dtype=np.uint8)
    slices = tuple(objects.put_many([encode_png(image) for image in noise]))
    checkpoints = [objects.put(checkpoint(seed)) for seed in (1, 2)]
    first, second = (
        LabelJob(network=NETWORK, prediction=PREDICTION, checkpoint=digest, slices=slices)
        for digest in checkpoints
    )
    return first, second


def checkpoint(seed: int) -> bytes:
    network = build(NETWORK)
    torch.manual_seed(seed)
    weights = {
        name: value + 0.02 * torch.randn_like(value) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    return HeldNetwork(NETWORK, network).file(weights)


def masks(labeller: Labeller, job: LabelJob) -> list[str]:
    return [label.mask for label in labeller.label(job)]


def fresh(objects: ObjectStore) -> Labeller:
    return Labeller(WorkerSettings(objects_url=objects.url, threads=1))


def test_checkpoints_in_turn_give_what_each_gives_alone(
    objects: ObjectStore, jobs: tuple[LabelJob, LabelJob]
) -> None:
    alone = [masks(fresh(objects), job) for job in jobs]
    assert alone[0] != alone[1]
    labeller = fresh(objects)
    for turn in (0, 1, 1, 0):
        assert masks(labeller, jobs[turn]) == alone[turn]


def test_an_engine_that_failed_leaves_nothing_behind(
    objects: ObjectStore, jobs: tuple[LabelJob, LabelJob]
) -> None:
    labeller = fresh(objects)
    expected = masks(labeller, jobs[0])
    with pytest.raises(ModelError):
        labeller.label(replace(jobs[1], prediction=replace(PREDICTION, engine="auto")))
    assert masks(labeller, jobs[0]) == expected


def test_a_checkpoint_of_another_network_is_refused(
    objects: ObjectStore, jobs: tuple[LabelJob, LabelJob]
) -> None:
    labeller = fresh(objects)
    expected = masks(labeller, jobs[0])
    with pytest.raises(ModelError, match="another network"):
        labeller.label(replace(jobs[0], network=replace(NETWORK, channels=16)))
    assert masks(labeller, jobs[0]) == expected
