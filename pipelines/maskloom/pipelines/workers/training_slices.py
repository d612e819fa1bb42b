"""What a trainer trains on: as many slices as there is room for stay on its device, others are read when it is their turn."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psutil
import torch
from torch import Tensor

from maskloom.models.training_data import TrainingData
from maskloom.pipelines.workers.place import stacked
from maskloom.platform.imaging.formats import decode_grey8, resize
from maskloom.platform.objects.store import ObjectStore

Pair = tuple[str, str]
"""The digests of a slice and of its mask."""

_LOAD_BATCH = 64
_READERS = 4
_SHARE = 0.25
"""Of the memory that is free: networks want the most of it."""
_CONTAINER = Path("/sys/fs/cgroup")


class TrainingSlices:
    """Slices of one training size (`models.training_data.Slices`), from round to round.

    The first `room` of them stay on the device. Whatever the room is, the same is trained on.
    """

    def __init__(self, size: int, device: torch.device, objects: ObjectStore, room: int) -> None:
        self.size = size
        self._device, self._objects, self._room = device, objects, room
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="slices")
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[Pair, int] = {}
        self._pairs: list[Pair] = []
        self._repeats = torch.zeros(0, dtype=torch.int64)
        self._kept = TrainingData(self.size, self._device)
        self._coming: dict[int, Future[tuple[Tensor, Tensor]]] = {}

    def select(self, pairs: tuple[Pair, ...], repeats: tuple[int, ...]) -> None:
        """Have exactly `pairs` in an epoch, each so often. Of what may stay, only what is new is read."""
        self._coming = {}  # of a stage that was stopped
        if not self._in_order(pairs):
            self._clear()
        new = [pair for pair in pairs if pair not in self._rows]
        for pair in new:
            self._rows[pair] = len(self._pairs)
            self._pairs.append(pair)
        while len(self._kept) < min(len(self._pairs), self._room):
            start = len(self._kept)
            self._kept.append(*self._read(self._pairs[start : min(start + _LOAD_BATCH, self._room)]))
        self._repeats = torch.zeros(len(self._pairs), dtype=torch.int64)
        self._repeats[[self._rows[pair] for pair in pairs]] = torch.tensor(repeats)

    def samples(self) -> Tensor:
        return torch.repeat_interleave(torch.arange(len(self._repeats)), self._repeats)

    def prepare(self, indices: Tensor) -> None:
        for index in set(indices.tolist()) - self._coming.keys():
            if index >= len(self._kept):
                self._coming[index] = self._readers.submit(self._read, [self._pairs[index]])

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        away = indices >= len(self._kept)
        if not away.any():
            return self._kept.take(indices)
        self.prepare(indices)
        coming, self._coming = self._coming, {}
        read = [self._arrived(index, coming[index]) for index in indices[away].tolist()]
        images = torch.empty(len(indices), 1, self.size, self.size, dtype=torch.uint8, device=self._device)
        masks = torch.empty_like(images)
        images[~away], masks[~away] = self._kept.take(indices[~away])
        images[away] = torch.cat([image for image, _ in read]).to(self._device)
        masks[away] = torch.cat([mask for _, mask in read]).to(self._device)
        return images, masks

    def _arrived(self, index: int, coming: Future[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        # What went wrong did so a step ago: the object store may be back.
        return coming.result() if coming.exception() is None else self._read([self._pairs[index]])

    def _in_order(self, pairs: tuple[Pair, ...]) -> bool:
        # The order of rows is part of what a training computes, so it must be the pairs' own, whatever came before.
        rows = [self._rows.get(pair, len(self._rows)) for pair in pairs]
        return all(earlier <= later for earlier, later in pairwise(rows))

    def _read(self, pairs: list[Pair]) -> tuple[Tensor, Tensor]:
        """Images and masks, uint8 (n, 1, S, S) on the CPU."""
        blobs = self._objects.get_many([slice_ for slice_, _ in pairs] + [mask for _, mask in pairs])
        pixels = [resize(decode_grey8(blob), self.size, self.size) for blob in blobs]
        return stacked(pixels[: len(pairs)]), stacked(pixels[len(pairs) :])


def room_for(size: int, device: torch.device, trainers: int) -> int:
    """How many slices of that size may stay on the device: 64, 128, 256 and so on, as their memory doubles when it is full.

    `trainers`: how many share the memory of this machine.
    """
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else _free_memory() / trainers
    room = _LOAD_BATCH
    while 2 * room * 2 * size * size <= free * _SHARE:
        room *= 2
    return room


def _free_memory() -> int:
    """Bytes that this process may still take, by the machine and by the container that it may be in."""
    free: int = psutil.virtual_memory().available
    if (_CONTAINER / "memory.max").exists():
        limit = (_CONTAINER / "memory.max").read_text().strip()
        statistics = dict(line.split() for line in (_CONTAINER / "memory.stat").read_text().splitlines())
        used = int((_CONTAINER / "memory.current").read_text()) - int(statistics["inactive_file"])
        free = free if limit == "max" else min(free, int(limit) - used)
    return free
