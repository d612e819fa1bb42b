"""Rounds that wait for readers, rounds that do not, and what is learnt from in the end."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from rich.console import Console
from sqlalchemy import text

from maskloom.pipelines.review.closing import close_by_command
from maskloom.pipelines.review.intake import take_in
from maskloom.pipelines.review.readings import Changes, Reading, State
from maskloom.pipelines.stopping import Stop
from maskloom.platform.facts import LabelKind
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.run_facts import Run, RunStatus
from maskloom.services.cli.waiting import wait_until_closed
from support.painted import Grey, Quiet
from support.reviewing import Ward, ward
from support.servers import PostgresServer


@pytest.fixture
def scene(postgres_server: PostgresServer) -> Iterator[Ward]:
    with ward(postgres_server) as made:
        yield made


def test_a_required_round_waits_and_then_learns_from_exactly_what_readers_left(scene: Ward) -> None:
    run = scene.run(mode="required")
    assert scene.drive(run) is None
    assert scene.status(run) is RunStatus.WAITING
    held = text("select count(*) from leases where expires_at > clock_timestamp()")
    assert scene.platform.database.transaction(lambda c: c.scalar(held)) == 0

    scene.push(run)
    reader = scene.reader(run)
    accepted, corrected, rejected, other = reader.slices()
    reader.accept(accepted)
    reader.correct(corrected, redrawn(scene, corrected))
    reader.skip(rejected)
    scene.pull(run)
    assert scene.drive(run) is None, "one slice is not read"
    assert len(scene.steps(run, "open_review")) == 1
    reader.accept(other)
    scene.pull(run)
    assert scene.reviews(run)[0].closed == "everything is read"

    assert scene.drive(run) is None, "the second round waits"
    assert len(scene.steps(run, "open_review")) == 2
    trained = learnt_from(scene, run, round_number=1)
    assert {slice_: kind for slice_, (kind, _) in trained.items()} == {
        accepted: "accepted",
        corrected: "corrected",
        other: "accepted",
    }
    drawn = trained[corrected][1]
    assert np.array_equal(decode_grey8(scene.platform.objects.get(drawn)), redrawn(scene, corrected))


def test_an_unread_task_elsewhere_takes_no_answer_back(scene: Ward) -> None:
    run = scene.run(mode="required")
    assert scene.drive(run) is None
    scene.push(run)
    reader = scene.reader(run)
    first, second, *_ = reader.slices()
    reader.accept(first)
    scene.pull(run)

    def taken(slice_: str, state: State, source: str) -> int:
        now = Reading(slice=slice_, state=state, source=source, changed_at=datetime.now(UTC))
        changes = Changes(readings=(now,), unreadable=(), cursor="")
        return take_in(scene.platform, run, "reader", "another tool", changes).answers

    assert taken(first, State.UNREAD, "ls/1/task-1") == 0
    assert taken(second, State.SKIPPED, "ls/1/7") == 1
    assert taken(second, State.UNREAD, "tasks-001.csv 00002") == 0
    assert taken(second, State.UNREAD, "ls/2/task-9") == 0
    assert taken(second, State.UNREAD, "ls/1/task-2") == 1, "where it was answered, it is taken back"
    assert taken(first, State.SKIPPED, "ls/1/8") == 1, "an answer counts wherever it is given"


def test_an_optional_review_never_waits_and_later_answers_enter_the_end(scene: Ward) -> None:
    run = scene.run(mode="optional")
    finished = scene.drive(run)
    assert finished is not None
    scene.push(run)
    assert len(scene.reader(run).slices()) == 12
    assert [step.output["verdicts"] for step in scene.steps(run, "collect")] == [[]] * 4
    assert scene.drive(run) == finished, "a replay sees what the run saw"


def test_what_is_corrected_while_rounds_go_on_is_learnt_from_in_the_very_next_one(scene: Ward) -> None:
    run = scene.run(mode="optional")
    corrected: list[str] = []

    class Reads(Quiet):
        """Somebody corrects a slice of the first round while the network labels the second one's."""

        def done(self, kind: str, round_number: int | None, output: object) -> None:
            if (kind, round_number) == ("label", 2):
                scene.push(run)
                reader = scene.reader(run)
                corrected.append(reader.slices()[0])
                reader.correct(corrected[0], redrawn(scene, corrected[0]))
                scene.pull(run)

    assert scene.drive(run, Reads()) is not None
    assert kinds(learnt_from(scene, run, 1)).get(corrected[0]) != "corrected"
    assert kinds(learnt_from(scene, run, 2))[corrected[0]] == "corrected"
    assert corrected[0] not in learnt_from(scene, run, 3)
    after = scene.drive(run)
    assert after is not None, "a replay does not look again"


def test_what_is_answered_between_rounds_enters_the_next_one(scene: Ward) -> None:
    """As if somebody read while rounds went on: the second round is stopped in the midst."""
    run = scene.run(mode="required", deadline_h=1000)
    scene.drive(run)
    scene.push(run)
    reader = scene.reader(run)
    first, second, *_ = reader.slices()
    reader.accept(first)
    close(scene, run)
    assert scene.drive(run) is None
    assert kinds(learnt_from(scene, run, 1))[first] == "accepted"
    assert second not in learnt_from(scene, run, 1) or kinds(learnt_from(scene, run, 1))[second] == "pseudo"

    reader.correct(second, redrawn(scene, second))
    reader.withdraw(first)
    scene.pull(run)
    close(scene, run)
    assert scene.drive(run) is None
    added = learnt_from(scene, run, 2)
    assert kinds(added)[second] == "corrected"
    assert kinds(added).get(first) != "accepted"


def test_the_finished_run_keeps_what_readers_checked(scene: Ward) -> None:
    run = scene.run(mode="required")
    checked: dict[str, LabelKind] = {}
    rejected = []
    while scene.drive(run) is None:
        scene.push(run)
        reader = scene.reader(run)
        a, b, c, d = reader.slices()[-4:]
        reader.accept(a)
        reader.correct(b, redrawn(scene, b))
        reader.skip(c)
        reader.accept(d)
        scene.pull(run)
        checked |= {a: LabelKind.ACCEPTED, b: LabelKind.CORRECTED, d: LabelKind.ACCEPTED}
        rejected.append(c)
    assert scene.status(run) is RunStatus.FINISHED
    masks = scene.masks(run)
    assert {slice_: masks[slice_].kind for slice_ in checked} == checked
    assert {masks[slice_].kind for slice_ in rejected} == {LabelKind.PSEUDO}
    final = scene.steps(run, "train")[-1]
    assert final.output["slices"] == 5 + len(checked)


def test_what_a_reader_takes_back_after_the_end_is_no_longer_the_mask(scene: Ward) -> None:
    run = scene.run(mode="optional")
    scene.drive(run)
    scene.push(run)
    reader = scene.reader(run)
    first, second = reader.slices()[:2]
    before = scene.masks(run)
    for slice_ in (first, second):
        reader.correct(slice_, redrawn(scene, slice_))
    scene.pull(run)
    corrected = scene.masks(run)
    assert {(corrected[slice_].kind, corrected[slice_].reader) for slice_ in (first, second)} == {
        (LabelKind.CORRECTED, "reader")
    }
    reader.withdraw(first)
    reader.skip(second)
    scene.pull(run)
    assert scene.masks(run) == before


def learnt_from(scene: Ward, run: Run, round_number: int) -> dict[str, tuple[str, str]]:
    """What the merge of a round added: (kind, mask) by slice."""
    merge = next(step for step in scene.steps(run, "merge") if step.round == round_number)
    rows = scene.platform.database.transaction(
        lambda c: c.execute(
            text(
                "select i.slice, l.kind, l.mask from dataset_version_items i left join label_versions l on l.digest = i.label "
                "where i.version = :version"
            ),
            {"version": merge.output["digest"]},
        ).all()
    )
    return {row.slice: (row.kind, row.mask) for row in rows}


def kinds(learnt: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {slice_: kind for slice_, (kind, _) in learnt.items()}


def test_who_waits_looks_again_and_again_for_what_has_come_to_readers(scene: Ward) -> None:
    """Their tool may not have answered when the masks were handed out."""
    run = scene.run(mode="required")
    assert scene.drive(run) is None
    looks: list[int] = []

    def read() -> None:
        looks.append(1)
        if len(looks) == 3:
            close_by_command(scene.platform, run)

    console = Console(file=io.StringIO())
    (review,) = scene.reviews(run)
    wait_until_closed(scene.platform, run, review.review.id, Stop(), console, read)
    assert len(looks) == 3


def redrawn(scene: Ward, slice_: str) -> Grey:
    """The true lesions, and a corner that no network would mark."""
    mask = scene.truth[slice_].copy()
    mask[:10, :10] = 255
    return mask


def close(scene: Ward, run: Run) -> None:
    scene.pull(run)
    assert close_by_command(scene.platform, run) == 1
