"""Answers in Label Studio through its HTTP interface, as its editor does: the hands of readers who are simulated."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskloom.services.bridge import brush
from maskloom.services.bridge.label_studio import config
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.shown import Shown, score_in, shown
from maskloom.services.bridge.label_studio.tasks import region_of
from maskloom.services.bridge.label_studio.tool import title_of
from maskloom.services.bridge.tool import Desk

Json = dict[str, Any]


class LabelStudioHand:
    """Implements `bridge.simulated.Hand` at a desk, with the tasks that it has when they are first looked at."""

    def __init__(self, client: Client, desk: Desk) -> None:
        self._client = client
        self._desk = desk

    def unread(self) -> list[str]:
        """The slices without an answer, the least certain first, as the labelling stream has them."""
        left = [task for task in self._tasks.values() if not task.answered]
        return [task.slice for task in sorted(left, key=lambda task: score_in(task.last or {"score": 0}))]

    def shown(self, slice_: str) -> NDArray[np.uint8]:
        task = self._tasks[slice_]
        width, height = task.data["width"], task.data["height"]
        mask: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
        for region in task.last["result"] if task.last else ():
            mask = np.maximum(mask, brush.decode(region["value"]["rle"], width, height))
        return mask

    def submit(self, slice_: str, mask: NDArray[np.uint8], seconds: float) -> None:
        region = region_of(mask, config.label(self._desk.classes[0], 1), f"hand-{slice_[:8]}")
        self._client.annotate(
            self._tasks[slice_].id, {"result": [region] if mask.any() else [], "lead_time": seconds}
        )

    @cached_property
    def _tasks(self) -> dict[str, Shown]:
        project = self._client.find_project(title_of(self._desk))
        listing = self._client.tasks(int(project["id"])).tasks if project else []
        return {task.slice: task for task in shown(listing)}
