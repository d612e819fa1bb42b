"""A trainer trains on the same whether its slices have room on its device or not, and never holds more than it has room for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from unit.models.training_worker import blobs

from maskloom.models.infnet import build
from maskloom.models.parameters import AugmentParameters, NetworkParameters, TrainingParameters
from maskloom.models.training import Training
from maskloom.pipelines.workers import training_slices
from maskloom.pipelines.workers.training_slices import Pair, TrainingSlices, room_for
from maskloom.platform.errors import ObjectMissing
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.local import LocalStore

SIZE = 64
CPU = torch.device("cpu")
MANY = 1_000


class Watched(LocalStore):
    """A store that knows how often each blob was read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.read: list[str] = []

    def get_many(self, digests: Sequence[str]) -> list[bytes]:
        self.read += digests
        return super().get_many(digests)


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path.as_uri())


@pytest.fixture
def pairs(store: Watched) -> tuple[Pair, ...]:
    images, masks = ([encode_png(image[0].numpy()) for image in tensor] for tensor in blobs(7, SIZE))
    return tuple(zip(store.put_many(images), store.put_many(masks), strict=True))


def slices(store: Watched, room: int, pairs: tuple[Pair, ...], repeats: tuple[int, ...]) -> TrainingSlices:
    found = TrainingSlices(SIZE, CPU, store, room)
    found.select(pairs, repeats)
    return found


def trained(data: TrainingSlices) -> tuple[list[tuple[float, float]], dict[str, torch.Tensor]]:
    wanted = TrainingParameters(
        steps=6,
        batch_size=4,
        size=SIZE,
        scales=(1.0,),
        augment=AugmentParameters(flip_horizontal=True, gamma=1.3),
    )
    run = Training(build(NetworkParameters(weights="random")), wanted, data, seed=4)
    while run.step_index < run.total_steps:
        run.step()
    return run.history, run.weights()


@pytest.mark.parametrize("room", [0, 1, 3, 6])
def test_room_changes_nothing_of_what_is_trained(store: Watched, pairs: tuple[Pair, ...], room: int) -> None:
    repeats = (1, 2, 0, 1, 3, 1, 1)
    history, weights = trained(slices(store, MANY, pairs, repeats))
    others_history, others_weights = trained(slices(store, room, pairs, repeats))
    assert others_history == history
    assert all(torch.equal(weights[name], others_weights[name]) for name in weights)


def test_what_has_no_room_is_read_for_each_batch_and_ahead_of_it(
    store: Watched, pairs: tuple[Pair, ...]
) -> None:
    data = slices(store, 2, pairs, (1,) * 7)
    assert store.read == [pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1]]
    store.read.clear()
    batch = torch.tensor([5, 1, 3, 5])
    data.prepare(batch)
    for future in list(data._coming.values()):
        future.result()
    wanted = sorted([*pairs[3], *pairs[5]])
    assert sorted(store.read) == wanted, "each once, and not those that have room"
    images, masks = data.take(batch)
    assert sorted(store.read) == wanted, "they had come"
    expected = slices(store, MANY, pairs, (1,) * 7).take(batch)
    assert torch.equal(images, expected[0])
    assert torch.equal(masks, expected[1])
    assert not data._coming, "nothing is kept"


def test_rounds_read_only_what_is_new(store: Watched, pairs: tuple[Pair, ...]) -> None:
    data = slices(store, 4, pairs[:3], (1, 1, 1))
    store.read.clear()
    data.select(pairs[:6], (2,) * 6)
    assert set(store.read) == set(pairs[3]), "the last that has room"
    assert data.samples().tolist() == [row for row in range(6) for _ in range(2)]
    data.select((pairs[4], pairs[1]), (1, 1))
    assert data.samples().tolist() == [0, 1], "another order is another data set"
    assert torch.equal(data.take(torch.tensor([1]))[0][0, 0], blobs(7, SIZE)[0][1, 0])


def test_a_slice_that_cannot_be_read_is_named_and_asked_for_again(
    store: Watched, pairs: tuple[Pair, ...]
) -> None:
    data = slices(store, 1, pairs, (1,) * 7)
    file = store.get(pairs[4][1])
    store.delete(pairs[4][1])
    batch = torch.tensor([4, 0])
    data.prepare(batch)
    with pytest.raises(ObjectMissing):
        data.take(batch)
    data.prepare(batch)
    assert data._coming[4].exception(), "it is still missing"
    store.put(file)
    assert data.take(batch)[1].amax() == 255


def test_room_is_a_quarter_of_what_is_free_at_most(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit, used, cached = 10 * 2**30, 5 * 2**30, 3 * 2**30
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")
    monkeypatch.setattr(training_slices, "_CONTAINER", tmp_path)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 64 * 2**30}))
    a_quarter = (limit - used + cached) // 4
    room = room_for(352, CPU, 1)
    assert room * 2 * 352 * 352 <= a_quarter < 2 * room * 2 * 352 * 352
    (tmp_path / "memory.max").write_text("max\n")
    assert room_for(352, CPU, 1) == 8 * room
    assert room_for(352, CPU, 4) == 2 * room, "a quarter of it for each of four trainers"
    assert room_for(4096, CPU, 64) == 64
