"""Every annotation tool does what the port asks: the same tests, with a reader who works in each as people do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskloom.pipelines.review.readings import Reading, State
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.local import LocalStore
from maskloom.platform.objects.store import ObjectStore
from maskloom.services.bridge.folder import Folder
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.images import Linked
from maskloom.services.bridge.label_studio.tool import LabelStudio
from maskloom.services.bridge.tool import AnnotationTool, Desk, Pushed, Task
from support.desks import new_desk
from support.folder_reader import FolderReader
from support.label_studio import LabelStudioReader
from support.painted import Grey

SHAPE = (48, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A tool, and somebody who reads in it."""

    tool: AnnotationTool
    desk: Desk
    objects: ObjectStore
    reader: Any

    def changes(self, cursor: str | None = None) -> dict[str, Reading]:
        found = self.tool.changes(self.desk, cursor)
        assert found.unreadable == ()
        return {reading.slice: reading for reading in found.readings}


@pytest.fixture(params=["folder", "label_studio"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    objects = LocalStore((tmp_path / "objects").as_uri())
    desk = new_desk()
    if request.param == "folder":
        folder = Folder(tmp_path / "reviews", objects)
        yield Room(tool=folder, desk=desk, objects=objects, reader=FolderReader(Path(folder.where(desk))))
        return
    access = request.getfixturevalue("label_studio").access
    nowhere = Linked(image_url=lambda _, digest: f"http://127.0.0.1:9/{digest}")
    tool = LabelStudio(Client(access.url, access.token), objects, nowhere, locks=tmp_path / "locks")
    reader = LabelStudioReader(access, desk)
    yield Room(tool=tool, desk=desk, objects=objects, reader=reader)
    reader.close()
    tool.close()


def task(objects: ObjectStore, number: int, **changes: Any) -> Task:
    image = np.full(SHAPE, 10 + number, np.uint8)
    digest = objects.put(encode_png(image))
    return replace(
        Task(
            slice=digest,
            image=digest,
            masks=(objects.put(encode_png(disc(number))),),
            width=SHAPE[1],
            height=SHAPE[0],
            uncertainty=number / 10,
            place=number,
            version="run/1",
        ),
        **changes,
    )


def disc(number: int) -> Grey:
    """A mask of its own for each number; soft outside, as a network's."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = (rows - 24) ** 2 + (columns - 20 - number) ** 2 < 90
    return np.where(inside, 200, 60).astype(np.uint8)


def hard(number: int) -> Grey:
    return np.where(disc(number) >= 128, np.uint8(255), np.uint8(0))


def test_what_was_pushed_is_shown_and_pushing_again_changes_nothing(room: Room) -> None:
    tasks = [task(room.objects, number) for number in range(3)]
    assert room.tool.push(room.desk, tasks) == Pushed(added=3, replaced=0, unchanged=0)
    for _ in range(2):
        assert room.tool.push(room.desk, tasks) == Pushed(added=0, replaced=0, unchanged=3)
    assert set(room.reader.slices()) == {one.slice for one in tasks}
    for number, one in enumerate(tasks):
        assert np.array_equal(room.reader.shown(one.slice), hard(number))
    assert {reading.state for reading in room.changes().values()} <= {State.UNREAD}


def test_what_a_reader_does_comes_back(room: Room) -> None:
    tasks = [task(room.objects, number) for number in range(4)]
    room.tool.push(room.desk, tasks)
    accepted, corrected, skipped, _ = (one.slice for one in tasks)
    room.reader.accept(accepted)
    room.reader.correct(corrected, hard(30))
    room.reader.skip(skipped)
    found = room.changes()
    assert found[accepted].state is State.SUBMITTED
    assert np.array_equal(found[accepted].mask, hard(0))
    assert found[corrected].state is State.SUBMITTED
    assert np.array_equal(found[corrected].mask, hard(30))
    assert found[corrected].mask.dtype == np.uint8
    assert (found[skipped].state, found[skipped].mask) == (State.SKIPPED, None)


def test_an_answer_can_be_changed_and_taken_back(room: Room) -> None:
    one = task(room.objects, 1)
    room.tool.push(room.desk, [one])
    room.reader.accept(one.slice)
    first = room.tool.changes(room.desk, None)
    room.reader.edit(one.slice, hard(25))
    second = room.tool.changes(room.desk, first.cursor)
    assert np.array_equal(second.readings[0].mask, hard(25))
    assert second.readings[0].changed_at >= first.readings[0].changed_at
    room.reader.withdraw(one.slice)
    third = room.tool.changes(room.desk, second.cursor)
    assert [reading.state for reading in third.readings] == [State.UNREAD]


def test_a_new_mask_replaces_only_what_nobody_has_touched(room: Room) -> None:
    tasks = [task(room.objects, number) for number in range(3)]
    room.tool.push(room.desk, tasks)
    room.reader.accept(tasks[0].slice)
    room.reader.correct(tasks[1].slice, hard(30))
    newer = [replace(one, masks=(room.objects.put(encode_png(disc(9))),), version="run/2") for one in tasks]
    assert room.tool.push(room.desk, newer) == Pushed(added=0, replaced=1, unchanged=2)
    assert np.array_equal(room.reader.shown(tasks[2].slice), hard(9))
    found = room.changes()
    assert np.array_equal(found[tasks[0].slice].mask, hard(0))
    assert np.array_equal(found[tasks[1].slice].mask, hard(30))


def test_a_later_push_adds_what_is_new(room: Room) -> None:
    room.tool.push(room.desk, [task(room.objects, 1)])
    room.reader.accept(room.reader.slices()[0])
    both = [task(room.objects, 2, version="run/2"), task(room.objects, 1)]
    assert room.tool.push(room.desk, both).added == 1
    assert len(room.reader.slices()) == 2
    assert room.changes()[both[1].slice].state is State.SUBMITTED


def test_an_adjudicator_sees_the_masks_of_both_readers(room: Room) -> None:
    masks = tuple(room.objects.put(encode_png(hard(number))) for number in (3, 12))
    one = task(room.objects, 1, masks=masks)
    room.tool.push(room.desk, [one])
    for number, shown in zip((3, 12), room.reader.alternatives(one.slice), strict=True):
        assert np.array_equal(shown, hard(number))
    room.reader.correct(one.slice, hard(7))
    assert np.array_equal(room.changes()[one.slice].mask, hard(7))


def test_an_empty_mask_is_a_mask(room: Room) -> None:
    empty = np.zeros(SHAPE, np.uint8)
    one = task(room.objects, 1, masks=(room.objects.put(encode_png(empty)),))
    other = task(room.objects, 2)
    room.tool.push(room.desk, [one, other])
    room.reader.accept(one.slice)
    room.reader.correct(other.slice, empty)
    found = room.changes()
    assert all(not found[slice_].mask.any() for slice_ in (one.slice, other.slice))
