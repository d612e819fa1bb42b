"""A reader's folder in the state in which people and spreadsheets leave it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskloom.pipelines.review.readings import State, Unreadable
from maskloom.platform.errors import OutputUnwritable
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.local import LocalStore
from maskloom.services.bridge.folder import Folder
from maskloom.services.bridge.tool import Desk, Task
from support.folder_reader import FolderReader

DESK = Desk(run="0123456789ab", reader="anna", classes=("infection",))
MASK = np.zeros((20, 30), np.uint8)
MASK[5:9, 5:9] = 255


class Room:
    def __init__(self, folder: Path) -> None:
        self.objects = LocalStore((folder / "objects").as_uri())
        self.tool = Folder(folder / "reviews", self.objects)
        self.desk = Path(self.tool.where(DESK))
        self.reader = FolderReader(self.desk)
        self.tool.push(DESK, [self.task(number) for number in range(2)])
        self.first, self.second = self.reader.slices()
        self.table = self.desk / "tasks-001.csv"

    def task(self, number: int) -> Task:
        digest = self.objects.put(encode_png(np.full(MASK.shape, number, np.uint8)))
        return Task(
            slice=digest,
            image=digest,
            masks=(self.objects.put(encode_png(MASK)),),
            width=30,
            height=20,
            uncertainty=0.5,
            place=number,
            version="0123456789ab/1",
        )

    def states(self) -> dict[str, State]:
        return {reading.slice: reading.state for reading in self.tool.changes(DESK, None).readings}

    def problems(self) -> list[str]:
        return [thing.reason for thing in self.tool.changes(DESK, None).unreadable]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_spreadsheets_save_with_semicolons_marks_and_capitals(room: Room) -> None:
    room.reader.accept(room.first, minutes="1,5")
    text = room.table.read_text().replace('"1,5"', "1.5").replace(",", ";").replace("accept", " Accept ")
    room.table.write_text(text.replace("1.5", "1,5"), encoding="utf-8-sig")
    (found,) = [one for one in room.tool.changes(DESK, None).readings if one.state is State.SUBMITTED]
    assert (found.slice, found.lead_time_s) == (room.first, 90)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"no picture", "PNG"),
        (encode_png(MASK)[:-20], "cut short"),
        (encode_png(MASK[:10]), "30 x 10"),
        (encode_png(np.where(MASK > 0, np.uint8(200), np.uint8(30))), "a binary mask holds 0 and 255"),
    ],
)
def test_a_mask_that_cannot_be_used_is_told_with_its_reason(content: bytes, problem: str, room: Room) -> None:
    room.reader.accept(room.second)
    room.reader.mask_file(room.first).write_bytes(content)
    room.reader.accept(room.first)
    found = room.tool.changes(DESK, None)
    (thing,) = found.unreadable
    assert problem.casefold() in thing.reason.casefold()
    assert thing.content == content
    assert {one.slice for one in found.readings} == {room.second}, "the other one is not lost"


def test_what_is_no_file_is_not_read(room: Room) -> None:
    file = room.reader.mask_file(room.first)
    file.unlink()
    os.mkfifo(file)
    room.reader.accept(room.first)
    assert room.problems() == [f"{file.name} is no file"]
    file.unlink()
    with file.open("wb") as huge:
        huge.truncate(2**30)
    assert room.problems() == [f"{file.name} is larger than any mask or table"]
    file.unlink()
    assert len(room.problems()) == 1


def test_an_answer_that_is_no_answer_is_told(room: Room) -> None:
    room.table.write_text(room.table.read_text().replace(",,,", ",maybe,,", 1))
    assert room.problems() == ["The answer 'maybe' is none of accept, correct and reject."]


def test_a_table_that_is_gone_or_broken_is_told_and_takes_nothing_back(room: Room) -> None:
    room.reader.accept(room.first)
    good = room.table.read_bytes()
    room.table.unlink()
    assert room.problems() == ["tasks-001.csv is gone: put it back, with the answers that were in it."]
    assert room.states() == {}
    room.tool.push(DESK, [room.task(number) for number in range(3)])
    assert not room.table.exists(), "nobody but the reader has its answers"
    assert (room.desk / "tasks-002.csv").exists()
    room.table.write_bytes(b"\xff\xfe" + good)
    assert "is no table" in room.problems()[0]
    room.table.write_text("answer\naccept\n")
    assert "is no table" in room.problems()[0]
    room.table.write_bytes(good)
    assert room.states()[room.first] is State.SUBMITTED


def test_slices_that_were_never_handed_out_are_nobodys(room: Room) -> None:
    with room.table.open("a") as table:
        table.write(f"masks/x.png,images/x.png,0.5,accept,,{'0' * 64}\r\n")
        table.write(f"../../secret,images/x.png,0.5,accept,,{room.first}\r\n")
    found = room.tool.changes(DESK, None)
    assert {one.slice for one in found.readings} == {room.first, room.second}
    assert found.unreadable == ()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "reviews").write_text("in the way")
    tool = Folder(tmp_path / "reviews", LocalStore((tmp_path / "objects").as_uri()))
    with pytest.raises(OutputUnwritable):
        tool.push(DESK, [])


@given(content=st.binary(max_size=300))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_in_a_table_stop_the_rest(content: bytes, room: Room) -> None:
    room.table.write_bytes(content)
    found = room.tool.changes(DESK, None)
    assert all(isinstance(thing, Unreadable) for thing in found.unreadable)
    assert {one.state for one in found.readings} <= {State.UNREAD}


@given(cut=st.integers(0, 500), byte=st.integers(0, 255))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_to_a_mask_stops_the_rest(cut: int, byte: int, room: Room) -> None:
    content = bytearray(encode_png(MASK))
    content[cut % len(content)] = byte
    room.reader.mask_file(room.first).write_bytes(bytes(content))
    room.reader.accept(room.first)
    found = room.tool.changes(DESK, None)
    assert len(found.readings) + len(found.unreadable) == 2
    for one in found.readings:
        assert one.mask is None or (one.mask.shape == MASK.shape and set(np.unique(one.mask)) <= {0, 255})
