"""Small desks of synthetic slices for tests of annotation tools."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.local import LocalStore
from maskloom.platform.objects.store import ObjectStore
from maskloom.services.bridge.tool import Desk, Task

HEIGHT, WIDTH = 48, 64


def new_desk(reader: str = "ada") -> Desk:
    """A desk that no tool has seen."""
    return Desk(run=uuid.uuid4().hex[:12], reader=reader, classes=("infection",))


def disc(x: int, y: int, radius: int) -> NDArray[np.uint8]:
    """A mask, uint8 (HEIGHT, WIDTH) of 0 and 255; radius 0 marks nothing."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return np.where((rows - y) ** 2 + (columns - x) ** 2 < radius**2, 255, 0).astype(np.uint8)


class Slices:
    """Slices in an object store, and tasks on them."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects

    @classmethod
    def below(cls, folder: Path) -> Slices:
        return cls(LocalStore((folder / "objects").as_uri()))

    def task(self, number: int, *masks: NDArray[np.uint8], uncertainty: float = 0.5) -> Task:
        """The task of the `number`-th slice with these masks, or a disc."""
        pixels = np.full((HEIGHT, WIDTH), number, np.uint8)
        slice_ = self.objects.put(encode_png(pixels))
        shown = masks or (disc(20 + number, 20, 6),)
        return Task(
            slice=slice_,
            image=slice_,
            masks=tuple(self.objects.put(encode_png(mask)) for mask in shown),
            width=WIDTH,
            height=HEIGHT,
            uncertainty=uncertainty,
            place=number,
            version="run/1",
        )

    def shown_anew(self, task: Task, round_: int, mask: NDArray[np.uint8]) -> Task:
        """The same slice with the mask of a later round."""
        digest = self.objects.put(encode_png(mask))
        return replace(task, masks=(digest,), version=f"run/{round_}", uncertainty=task.uncertainty / 2)
