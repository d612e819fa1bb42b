"""What pushes do on a real Label Studio: each twice, or half, or beside another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from maskloom.services.bridge import brush
from maskloom.services.bridge.label_studio.client import Client, Portion
from maskloom.services.bridge.label_studio.images import Linked
from maskloom.services.bridge.label_studio.tool import LabelStudio
from maskloom.services.bridge.tool import Desk, Pushed
from support.desks import Slices, disc
from support.label_studio import LabelStudioReader, LabelStudioServer

# The first test on a machine installs Label Studio.
pytestmark = pytest.mark.timeout(1200)


def test_a_push_makes_the_desk_and_its_tasks(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    nothing, something = slices.task(1, disc(0, 0, 0), uncertainty=0.25), slices.task(2, disc(30, 20, 9))
    assert tool.push(desk, [nothing, something]) == Pushed(added=2, replaced=0, unchanged=0)
    project, tasks = reader.project(), reader.tasks()
    assert project["title"] == f"maskloom {desk.run} · ada"
    assert project["sampling"] == "Uncertainty sampling"
    assert project["skip_queue"] == "IGNORE_SKIPPED"
    assert project["model_version"] == "run/1"
    assert "Skip" in project["expert_instruction"]
    assert tasks[something.slice]["data"] == {
        "ct": f"http://127.0.0.1:9/ada/{something.slice}?signed",
        "slice": something.slice,
        "width": 64,
        "height": 48,
    }
    (empty,) = tasks[nothing.slice]["predictions"]
    assert empty["result"] == []
    assert empty["score"] == pytest.approx(0.75, abs=1e-4)
    (shown,) = tasks[something.slice]["predictions"]
    assert shown["model_version"] == "run/1"
    assert np.array_equal(brush.decode(shown["result"][0]["value"]["rle"], 64, 48), disc(30, 20, 9))
    assert tool.where(desk).endswith(f"/projects/{project['id']}")


def test_pushing_again_changes_nothing(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    tasks = [slices.task(number) for number in range(3)] + [slices.task(3, disc(0, 0, 0))]
    tool.push(desk, tasks)
    before = reader.tasks()
    assert tool.push(desk, tasks) == Pushed(added=0, replaced=0, unchanged=4)
    assert tool.push(desk, tasks[:1]) == Pushed(added=0, replaced=0, unchanged=1)
    assert tool.push(desk, []) == Pushed(added=0, replaced=0, unchanged=0)
    assert without_ages(reader.tasks()) == without_ages(before)


def test_a_new_round_replaces_what_nobody_touched(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    tasks = [slices.task(number) for number in range(6)]
    answered, skipped, begun, untouched, blank, left_out = tasks
    tool.push(desk, tasks)
    reader.correct(answered.slice, disc(9, 9, 4))
    reader.skip(skipped.slice)
    reader.draft(begun.slice, disc(9, 9, 5))
    before = reader.tasks()
    later = [slices.shown_anew(task, 2, disc(40, 30, 8)) for task in tasks[:4]]
    later.append(slices.shown_anew(blank, 2, disc(0, 0, 0)))
    assert tool.push(desk, later) == Pushed(added=0, replaced=2, unchanged=3)
    after = reader.tasks()
    for touched in (answered, skipped, begun):
        for kind in ("annotations", "drafts"):
            assert without_links(after[touched.slice][kind]) == without_links(before[touched.slice][kind])
    for kept in (answered, skipped, begun, left_out):
        assert after[kept.slice]["predictions"][0]["result"] == before[kept.slice]["predictions"][0]["result"]
    assert after[blank.slice]["predictions"][0]["result"] == []
    code = after[untouched.slice]["predictions"][0]["result"][0]["value"]["rle"]
    assert np.array_equal(brush.decode(code, 64, 48), disc(40, 30, 8))
    # Or else readers would get what is not of the round without its mask, and last.
    assert {made["model_version"] for task in after.values() for made in task["predictions"]} == {"run/2"}
    assert all(len(task["predictions"]) == 1 for task in after.values())
    assert reader.project()["model_version"] == "run/2"
    assert tool.push(desk, later) == Pushed(added=0, replaced=0, unchanged=5)


def test_other_masks_of_the_same_round_replace_the_old_ones(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    task = slices.task(1, disc(20, 20, 6), disc(0, 0, 0))
    tool.push(desk, [task])
    other = slices.task(1, disc(20, 20, 6), disc(24, 20, 6))
    assert tool.push(desk, [other]) == Pushed(added=0, replaced=1, unchanged=0)
    (shown,) = reader.tasks()[task.slice]["predictions"]
    assert [region["value"]["brushlabels"] for region in shown["result"]] == [
        ["infection"],
        ["infection (2)"],
    ]
    blank = slices.task(1, disc(0, 0, 0), disc(0, 0, 0))
    assert tool.push(desk, [blank]) == Pushed(added=0, replaced=1, unchanged=0)
    assert tool.push(desk, [blank]) == Pushed(added=0, replaced=0, unchanged=1)
    assert tool.push(desk, [other]) == Pushed(added=0, replaced=1, unchanged=0)


def test_an_interrupted_push_is_completed(
    tool: LabelStudio,
    desk: Desk,
    slices: Slices,
    reader: LabelStudioReader,
    label_studio: LabelStudioServer,
) -> None:
    tasks = [slices.task(number) for number in range(3)]
    tool.push(desk, tasks)
    project, held = reader.project()["id"], reader.tasks()
    client = Client(label_studio.access.url, label_studio.access.token)
    twice = held[tasks[0].slice]
    client.import_tasks(project, Portion.of([{"data": twice["data"], "predictions": []}]))
    shown = held[tasks[1].slice]["predictions"][0]
    again = {"task": held[tasks[1].slice]["id"], "model_version": "run/1"}
    client.import_predictions(project, [again | {name: shown[name] for name in ("result", "score")}])
    client.close()
    assert tool.push(desk, tasks) == Pushed(added=0, replaced=0, unchanged=3)
    after = reader.tasks()
    assert {task["id"] for task in after.values()} == {task["id"] for task in held.values()}
    assert all(len(task["predictions"]) == 1 for task in after.values())


def test_two_that_push_at_once_make_one_desk(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    tasks = [slices.task(number) for number in range(5)]
    with ThreadPoolExecutor(2) as threads:
        pushed = list(threads.map(lambda _: tool.push(desk, tasks), range(2)))
    assert sorted(each.added for each in pushed) == [0, 5]
    assert len(reader.tasks()) == 5  # of the one project of that title


def test_long_names_have_desks_of_their_own(tool: LabelStudio, slices: Slices) -> None:
    desks = [
        Desk(run="r" * 12, reader=f"{'somebody' * 9}{number}", classes=("infection",)) for number in (1, 2)
    ]
    for desk in desks:
        tool.push(desk, [slices.task(1)])
    first, second = (tool.where(desk) for desk in desks)
    assert first != second


def test_an_expired_address_is_renewed_until_the_slice_is_read(
    label_studio: LabelStudioServer, desk: Desk, slices: Slices, reader: LabelStudioReader, tmp_path: Path
) -> None:
    access, time = label_studio.access, ["1"]
    images = Linked(
        image_url=lambda _, digest: f"http://127.0.0.1:9/{digest}?until={time[0]}",
        stale=lambda address: not address.endswith(f"until={time[0]}"),
    )
    tool = LabelStudio(Client(access.url, access.token), slices.objects, images, locks=tmp_path / "locks")
    tasks = [slices.task(number) for number in range(2)]
    tool.push(desk, tasks)
    reader.accept(tasks[0].slice)
    time[0] = "2"
    assert tool.push(desk, tasks) == Pushed(added=0, replaced=0, unchanged=2)
    tool.close()
    addresses = {slice_: task["data"]["ct"] for slice_, task in reader.tasks().items()}
    assert addresses[tasks[0].slice].endswith("?until=1")
    assert addresses[tasks[1].slice].endswith("?until=2")


def test_the_stream_serves_the_most_uncertain_first(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    doubts = [0.2, 0.9, 0.0, 0.5, 0.0, 0.7]
    tasks = [slices.task(number, uncertainty=doubt) for number, doubt in enumerate(doubts)]
    tool.push(desk, tasks)
    order = [tasks[number] for number in (1, 5, 3, 0, 2, 4)]
    assert served(reader, 2) == [task.slice for task in order[:2]]
    later = [slices.shown_anew(task, 2, disc(30, 30, 5)) for task in tasks[3:5]]
    tool.push(desk, later)  # halves their uncertainty: 0.25 and 0
    assert served(reader, 9) == [task.slice for task in (tasks[3], tasks[0], tasks[2], tasks[4])]


def served(reader: LabelStudioReader, most: int) -> list[str]:
    """What the stream serves, one after the other, each accepted."""
    slices: list[str] = []
    while len(slices) < most and (slice_ := reader.next()) is not None:
        slices.append(slice_)
        reader.accept(slice_)
    return slices


def without_ages(tasks: dict[str, dict[str, object]]) -> str:
    text = str(sorted(tasks.items()))
    assert "created_ago" in text
    return "\n".join(part for part in text.split(",") if "created_ago" not in part)


def without_links(made: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without what says how long ago it was, and that its prediction is gone."""
    return [
        {name: value for name, value in each.items() if name not in {"created_ago", "parent_prediction"}}
        for each in made
    ]
