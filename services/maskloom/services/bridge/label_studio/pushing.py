"""What a push does to one project of Label Studio.

Afterwards every task has one prediction, of the version that is shown: Label Studio orders and shows only those. So tasks
whose masks stay as they are, such as those that the reader has answered or begun, get their own old prediction again under
the new version. New predictions are there before old ones go: at no time does a reader open a slice without its mask. A
push that was interrupted anywhere is completed by the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from maskloom.platform.objects.store import ObjectStore
from maskloom.services.bridge.label_studio import tasks as json_of
from maskloom.services.bridge.label_studio.client import Client, Portion
from maskloom.services.bridge.label_studio.images import Images
from maskloom.services.bridge.label_studio.shown import Shown, score_in, shown
from maskloom.services.bridge.tool import Desk, Pushed, Task

Json = dict[str, Any]
T = TypeVar("T")
_AT_ONCE = 200
"""Tasks in one request. While the first ones are made Label Studio has nothing to do, and with each request it counts all of a
project's tasks anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push to one desk's project."""

    client: Client
    objects: ObjectStore
    images: Images
    desk: Desk
    project: int
    is_new: bool
    """The project was just made, and has no tasks."""
    version: str
    """The version that is shown from now on."""
    stamped: set[int] = field(default_factory=set)
    """Predictions that are of that version already, or became it; by their task."""

    def run(self, tasks: Sequence[Task]) -> Pushed:
        """Brings the project to show `tasks`, at most one a slice."""
        listed = [] if self.is_new else self.client.tasks(self.project).tasks
        there = self._one_a_slice(shown(listed))
        known = [(task, there[task.slice]) for task in tasks if task.slice in there]
        missing = [task for task in tasks if task.slice not in there]
        differing = list(self._differing(known))
        self._add(missing)
        self._replace(differing)
        self._stamp(there.values(), without={held.id for _, held in differing})
        if missing or self.stamped:
            self.client.update_project(self.project, model_version=self.version)
        self._drop_old(there.values(), replaced={held.id for _, held in differing})
        self._refresh_addresses(known)
        unchanged = len(known) - len(differing)
        return Pushed(added=len(missing), replaced=len(differing), unchanged=unchanged)

    def _one_a_slice(self, there: Iterable[Shown]) -> dict[str, Shown]:
        """The task of each slice. An import of which nobody learnt that it succeeded may have left two."""
        kept: dict[str, Shown] = {}
        spare = []
        for held in sorted(there, key=lambda held: (not held.answered, not held.touched, held.id)):
            if held.slice not in kept:
                kept[held.slice] = held
            elif not held.touched:
                spare.append(held.id)
        if spare:
            self.client.delete_tasks(self.project, spare)
        return kept

    def _differing(self, known: Iterable[tuple[Task, Shown]]) -> Iterator[tuple[Task, Shown]]:
        for task, held in known:
            shows_it = held.may_show(task) and not (held.shows_nothing and self._marks(task))
            if not held.touched and not shows_it:
                yield task, held

    def _marks(self, task: Task) -> bool:
        """Whether any of a task's masks marks anything."""
        return any(mask.any() for mask in json_of.masks_of(task, self.objects.get_many(task.masks)))

    def _add(self, missing: Sequence[Task]) -> None:
        for made in one_ahead(map(self._new, _portions(missing))):
            self.client.import_tasks(self.project, made)

    def _new(self, tasks: Sequence[Task]) -> Portion:
        return Portion.of(
            [
                {
                    "data": json_of.data_of(task, self.images.address(self.desk, task.image)),
                    "predictions": [prediction],
                }
                for task, prediction in zip(tasks, self._predictions(tasks), strict=True)
            ]
        )

    def _replace(self, differing: Sequence[tuple[Task, Shown]]) -> None:
        for made in one_ahead(map(self._anew, _portions(differing))):
            self._import(made)

    def _anew(self, differing: Sequence[tuple[Task, Shown]]) -> list[Json]:
        made = self._predictions([task for task, _ in differing])
        return [prediction | {"task": held.id} for prediction, (_, held) in zip(made, differing, strict=True)]

    def _stamp(self, there: Iterable[Shown], without: set[int]) -> None:
        """Gives what stays as it is the version that is shown."""
        old = []
        for held in there:
            if held.id in without or held.last is None:
                continue
            if held.last["model_version"] == self.version:
                self.stamped.add(held.id)
            else:
                shown_now = {"score": score_in(held.last), "result": held.last["result"]}
                old.append({"task": held.id, "model_version": self.version} | shown_now)
        for some in _portions(old):
            self._import(some)

    def _drop_old(self, there: Iterable[Shown], replaced: set[int]) -> None:
        versions = set()
        for held in there:
            versions |= {made["model_version"] for made in held.predictions}
            same = [made for made in held.predictions if made["model_version"] == self.version]
            # Of the version that is shown, the last stays, unless it was just replaced.
            for made in same if held.id in replaced else same[:-1]:
                self.client.delete_prediction(made["id"])
        for version in sorted(versions - {self.version, "", None}):
            self.client.delete_version(self.project, version)

    def _refresh_addresses(self, known: Iterable[tuple[Task, Shown]]) -> None:
        for task, held in known:
            if not held.answered and not self.images.is_current(held.address, self.desk, task.image):
                address = self.images.address(self.desk, task.image)
                self.client.update_data(held.id, json_of.data_of(task, address))

    def _predictions(self, tasks: Sequence[Task]) -> list[Json]:
        blobs = iter(self.objects.get_many([digest for task in tasks for digest in task.masks]))
        return [
            json_of.prediction_of(
                task,
                json_of.masks_of(task, list(islice(blobs, len(task.masks)))),
                self.desk.classes[0],
                self.version,
            )
            for task in tasks
        ]

    def _import(self, predictions: Sequence[Json]) -> None:
        self.client.import_predictions(self.project, predictions)
        self.stamped.update(prediction["task"] for prediction in predictions)


def newest(tasks: Sequence[Task]) -> str:
    """The version `RUN/ROUND` with the highest round; of several such, the last."""
    return max((_round(task.version), place, task.version) for place, task in enumerate(tasks))[2]


def _round(version: str) -> int:
    number = re.search(r"[0-9]+$", version)
    return int(number[0]) if number else -1


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items. While one is in use, the next is made in another thread."""
    with ThreadPoolExecutor(1, "one ahead") as maker:
        coming = maker.submit(list, islice(items, 1))
        while item := coming.result():
            coming = maker.submit(list, islice(items, 1))
            yield item[0]


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
