"""A GPU computes what a CPU does, as closely as its arithmetic allows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from unit.models.training_worker import blobs

from maskloom.models import infnet
from maskloom.models.batch_norm import synchronise
from maskloom.models.inference import Predictor
from maskloom.models.parameters import (
    AugmentParameters,
    NetworkParameters,
    Precision,
    PredictionParameters,
    TrainingParameters,
)
from maskloom.models.training import Training
from maskloom.models.training_data import TrainingData

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
LITE0 = NetworkParameters(weights="random", intensity="percentile")
WANTED = TrainingParameters(
    steps=40,
    batch_size=4,
    size=64,
    scales=(1.0, 1.5),
    learning_rate=1e-3,
    average=0.9,
    augment=AugmentParameters(flip_horizontal=True, gamma=1.2, rotate_degrees=10),
)


@pytest.fixture
def one_worker_group(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("nccl", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def training(wanted: TrainingParameters, device: str, seed: int = 3) -> Training:
    slices = TrainingData(size=64, device=device)
    slices.append(*blobs(6, 64))
    return Training(infnet.build(LITE0), wanted, slices, seed, device=device)


def trained_weights() -> dict[str, torch.Tensor]:
    run = training(WANTED, "cuda")
    for _ in range(run.total_steps):
        run.step()
    return {name: value.cpu() for name, value in run.weights().items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns(precision: Precision) -> None:
    run = training(replace(WANTED, precision=precision), "cuda")
    for _ in range(40):
        run.step()
    assert run.history[-1][0] < 0.8 * run.history[0][0]
    predictor = Predictor(infnet.load(LITE0, run.weights()), PredictionParameters(size=64), "cuda")
    assert predictor.probabilities(blobs(6, 64)[0]).amax() > 0.5


def test_it_learns_the_same() -> None:
    wanted = replace(WANTED, scales=(1.0,))
    here, there = training(wanted, "cpu"), training(wanted, "cuda")
    for step in range(8):
        on_cpu, on_gpu = here.step(), there.step()
        # Adam's first steps go by a gradient's sign alone, so that small differences grow.
        assert on_gpu.loss == pytest.approx(on_cpu.loss, rel=0.002 if step == 0 else 0.1)
        assert on_gpu.images == on_cpu.images


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_recorded_learns_as_what_is_not(
    monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    wanted = replace(WANTED, precision=precision, schedule="cosine")
    recorded = training(wanted, "cuda")
    monkeypatch.setattr(Training, "_new_recordings", lambda _: None)
    launched = training(wanted, "cuda")
    for step in range(12):
        # Some kernels add in no fixed order, and Adam's first steps let small differences grow.
        assert recorded.step().loss == pytest.approx(launched.step().loss, rel=0.01 if step == 0 else 0.1)
    counts = [run.weights()["reverse3.out.norm.num_batches_tracked"] for run in (recorded, launched)]
    assert counts[0] == counts[1] == 24


def test_recordings_follow_the_learning_rate() -> None:
    run = training(replace(WANTED, scales=(1.0,), average=0.0), "cuda")
    for _ in range(4):
        run.step()
    before = {name: value.clone() for name, value in run.weights().items()}
    run._set_rate(0.0)
    assert run._recordings
    run._recordings.run(run._optimise, *(tensor[:4].to("cuda").float() / 255 for tensor in blobs(6, 64)))
    after = run.weights()
    trained = [name for name, _ in infnet.build(LITE0).named_parameters()]
    assert all(torch.equal(before[name], after[name]) for name in trained)


@pytest.mark.parametrize("places", [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_a_training_goes_on_elsewhere(places: tuple[str, str]) -> None:
    before, after = (training(WANTED, place) for place in places)
    for _ in range(3):
        before.step()
    file = io.BytesIO()
    torch.save(before.state(), file)
    file.seek(0)
    after.restore(torch.load(file, weights_only=True))
    assert after.step().loss == pytest.approx(before.step().loss, rel=0.02)
    assert (after.step_index, len(after.history)) == (4, 4)


@pytest.mark.parametrize(("precision", "most"), [("fp32", 0.01), ("bf16", 0.1)])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_it_predicts_the_same(precision: Precision, most: float, count: int) -> None:
    weights = trained_weights()
    wanted = PredictionParameters(size=64, batch_size=3, flip=True)
    images = blobs(7, 64)[0]
    here = Predictor(infnet.load(LITE0, weights), wanted).probabilities(images[:count])
    there = Predictor(infnet.load(LITE0, weights), replace(wanted, precision=precision), "cuda")
    assert there.probabilities(images).shape == images.shape
    predicted = there.probabilities(images[:count])
    assert predicted.device.type == "cuda"
    assert (predicted.cpu() - here).abs().max() < most
    assert here.max() > 0.5


def test_a_predictor_takes_other_weights() -> None:
    network = infnet.load(LITE0, trained_weights()).to("cuda")
    images = blobs(4, 64)[0]
    wanted = PredictionParameters(size=64, batch_size=4)
    first = Predictor(network, wanted, "cuda").probabilities(images).cpu()
    infnet.take_weights(network, infnet.build(LITE0, seed=9).state_dict())
    second = Predictor(network, wanted, "cuda").probabilities(images).cpu()
    expected = Predictor(infnet.build(LITE0, seed=9), wanted).probabilities(images)
    assert (second - expected).abs().max() < 0.01
    assert (first - second).abs().max() > 0.1


def test_threads_take_turns_with_one_predictor() -> None:
    weights, images = trained_weights(), blobs(4, 64)[0]
    wanted = PredictionParameters(size=64, batch_size=4)
    predictor, expected = (Predictor(infnet.load(LITE0, weights), wanted, place) for place in ("cuda", "cpu"))
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        for thread in (first, second, second, first, first):
            found = thread.submit(lambda: predictor.probabilities(images).cpu()).result()
            assert (found - expected.probabilities(images)).abs().max() < 0.01


def test_two_record_at_once() -> None:
    images = blobs(4, 64)[0]
    wanted = PredictionParameters(size=64, batch_size=4)

    def predicted(seed: int) -> torch.Tensor:
        predictor = Predictor(infnet.build(LITE0, seed=seed), wanted, "cuda")
        return [predictor.probabilities(images).cpu() for _ in range(4)][-1]

    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(predicted, range(8)))
    for seed, found in enumerate(together):
        alone = Predictor(infnet.build(LITE0, seed=seed), wanted).probabilities(images)
        assert (found - alone).abs().max() < 0.01


@pytest.mark.usefixtures("one_worker_group")
def test_batch_norm_over_all_workers_is_batch_norm_where_there_is_one() -> None:
    plain, synchronised = (infnet.build(LITE0).to("cuda").train() for _ in range(2))
    synchronise(synchronised)
    images = torch.randn(4, 3, 64, 64, device="cuda")
    for mine, theirs in zip(plain(images), synchronised(images), strict=True):
        torch.testing.assert_close(mine, theirs, atol=0.02, rtol=0.02)
    own, others = plain.state_dict(), synchronised.state_dict()
    assert own.keys() == others.keys()
    for name, value in own.items():
        torch.testing.assert_close(value, others[name], atol=0.02, rtol=0.02)
