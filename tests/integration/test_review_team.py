"""Several readers: who gets what, what their answers decide together, and how well they read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from maskloom.pipelines.review.closing import close_what_is_due
from maskloom.pipelines.review.consensus import staple
from maskloom.pipelines.review.summary import summary
from maskloom.platform.catalog import answers, labels, step_labels
from maskloom.platform.facts import LabelKind, Purpose, Split, Verdict, VerdictKind
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.run_facts import Run
from support.painted import Grey
from support.reviewing import Ward, ward
from support.servers import PostgresServer


@pytest.fixture
def scene(postgres_server: PostgresServer) -> Iterator[Ward]:
    with ward(postgres_server) as made:
        yield made


def opened(scene: Ward, **review: object) -> Run:
    """A run whose first round waits for its readers."""
    run = scene.run(**{"mode": "required", **review})
    assert scene.drive(run) is None
    scene.push(run)
    return run


def verdicts(scene: Ward, run: Run) -> dict[str, Verdict]:
    ids = [state.review.id for state in scene.reviews(run)]
    found = scene.platform.database.transaction(lambda c: answers.newest_verdicts(c, ids))
    return {slice_: verdict for (_, slice_), verdict in found.items()}


def mask_of(scene: Ward, verdict: Verdict) -> Grey:
    assert verdict.label
    label = scene.platform.database.transaction(lambda c: labels.by_digest(c, [verdict.label or ""]))
    return decode_grey8(scene.platform.objects.get(label[verdict.label].mask))


def disc(column: int, radius: int = 14) -> Grey:
    rows, columns = np.mgrid[:96, :96]
    return np.where((rows - 40) ** 2 + (columns - column) ** 2 < radius**2, 255, 0).astype(np.uint8)


def test_two_readers_who_agree_are_made_one(scene: Ward) -> None:
    run = opened(scene, readers=("anna", "ben"), readings=2)
    anna, ben = scene.reader(run, "anna"), scene.reader(run, "ben")
    first, second, third, fourth = anna.slices()
    assert set(ben.slices()) == {first, second, third, fourth}
    anna.correct(first, disc(40))
    scene.pull(run)
    assert verdicts(scene, run) == {}, "one of two has answered"
    ben.correct(first, disc(42))
    for reader in (anna, ben):
        reader.accept(second)
        reader.skip(third)
    anna.correct(fourth, disc(30))
    ben.correct(fourth, disc(50))
    scene.pull(run)
    found = verdicts(scene, run)
    assert np.array_equal(mask_of(scene, found[first]), staple([disc(40), disc(42)]))
    assert {slice_: (verdict.kind, verdict.decided_by) for slice_, verdict in found.items()} == {
        first: (VerdictKind.CORRECTED, "staple"),
        second: (VerdictKind.ACCEPTED, "staple"),
        third: (VerdictKind.REJECTED, "staple"),
        fourth: (VerdictKind.CORRECTED, "staple"),
    }


def test_an_adjudicator_decides_where_readers_disagree(scene: Ward) -> None:
    run = opened(scene, readers=("anna", "ben"), readings=2, adjudicator="chief")
    anna, ben = scene.reader(run, "anna"), scene.reader(run, "ben")
    first, second, *agreed = anna.slices()
    anna.correct(first, disc(20))
    ben.correct(first, disc(60))
    anna.skip(second)
    ben.correct(second, disc(30))
    for slice_ in agreed:
        anna.accept(slice_)
        ben.accept(slice_)
    scene.pull(run)
    assert set(verdicts(scene, run)) == set(agreed)
    assert scene.reviews(run)[0].closed is None
    assert summary(scene.platform, run).rounds[0].disputed == 2

    scene.push(run)
    chief = scene.reader(run, "chief")
    assert set(chief.slices()) == {first, second}
    assert [
        np.array_equal(*pair) for pair in zip(chief.alternatives(first), (disc(20), disc(60)), strict=True)
    ] == [
        True,
        True,
    ]
    chief.correct(first, disc(25))
    chief.skip(second)
    scene.pull(run)
    found = verdicts(scene, run)
    assert np.array_equal(mask_of(scene, found[first]), disc(25))
    assert (found[first].decided_by, found[second].kind) == ("adjudicator", VerdictKind.REJECTED)
    assert scene.reviews(run)[0].closed == "everything is read"


def test_a_reader_who_changes_their_mind_changes_the_verdict(scene: Ward) -> None:
    run = opened(scene, readers=("anna", "ben"), readings=2)
    anna, ben = scene.reader(run, "anna"), scene.reader(run, "ben")
    slice_ = anna.slices()[0]
    anna.correct(slice_, disc(40))
    ben.correct(slice_, disc(40))
    scene.pull(run)
    assert np.array_equal(mask_of(scene, verdicts(scene, run)[slice_]), disc(40))
    ben.withdraw(slice_)
    scene.pull(run)
    assert verdicts(scene, run)[slice_].kind is VerdictKind.OPEN
    ben.correct(slice_, disc(41))
    scene.pull(run)
    assert np.array_equal(mask_of(scene, verdicts(scene, run)[slice_]), staple([disc(40), disc(41)]))


def test_gold_slices_look_like_the_others_and_tell_how_well_somebody_reads(scene: Ward) -> None:
    run = opened(scene, readers=("anna", "ben"), gold=2)
    (state,) = scene.reviews(run)
    gold = {one.slice for one in state.review.assignments if one.purpose is Purpose.GOLD}
    assert len(gold) == 2
    anna, ben = scene.reader(run, "anna"), scene.reader(run, "ben")
    assert len(anna.slices()) == len(ben.slices()) == 2 + 2
    for slice_ in anna.slices():
        anna.correct(slice_, scene.truth[slice_])
    for slice_ in ben.slices():
        ben.correct(slice_, disc(80))
    scene.pull(run)
    assert scene.reviews(run)[0].closed == "everything is read"
    assert not gold & set(verdicts(scene, run)), "an expert has drawn these already"
    readers = {reader.reader: reader for reader in summary(scene.platform, run).readers}
    assert readers["anna"].gold is not None
    assert (readers["anna"].gold.slices, readers["anna"].gold.dice) == (2, 1.0)
    assert readers["ben"].gold is not None
    assert readers["ben"].gold.dice < 1
    scene.drive(run)
    masks = scene.masks(run)
    assert {masks[slice_].kind for slice_ in gold} == {LabelKind.EXPERT}


def test_agreement_is_told_for_each_pair_and_reader(scene: Ward) -> None:
    run = opened(scene, readers=("anna", "ben", "carl"), readings=3)
    drawn = {"anna": disc(40), "ben": disc(40), "carl": disc(60)}
    for name, mask in drawn.items():
        for slice_ in scene.reader(run, name).slices():
            scene.reader(run, name).correct(slice_, mask)
    scene.pull(run)
    found = summary(scene.platform, run)
    pairs = {pair.readers: pair.agreement for pair in found.pairs}
    assert set(pairs) == {("anna", "ben"), ("anna", "carl"), ("ben", "carl")}
    assert (pairs["anna", "ben"].dice, pairs["anna", "ben"].hd95, pairs["anna", "ben"].slices) == (1, 0, 4)
    assert pairs["anna", "carl"].dice == pairs["ben", "carl"].dice < 0.5
    agreed = {reader.reader: reader.agreement for reader in found.readers}
    assert agreed["anna"] == agreed["ben"] > agreed["carl"]  # type: ignore[operator]


@pytest.mark.parametrize("assignment", ["round-robin", "load", "volume"])
def test_every_slice_finds_its_readers(assignment: str, scene: Ward) -> None:
    run = scene.run(mode="optional", readers=("anna", "ben"), assignment=assignment)
    scene.drive(run)
    given = Counter(one.reader for state in scene.reviews(run) for one in state.review.assignments)
    expected = {"anna": 12} if assignment == "volume" else {"anna": 6, "ben": 6}
    assert given == expected


def test_what_is_shown_follows_fraction_budget_and_order(scene: Ward) -> None:
    run = scene.run(mode="optional", fraction=0.5)
    scene.drive(run)
    for state in scene.reviews(run):
        shown = scene.platform.database.transaction(
            lambda c, state=state: labels.by_digest(c, [one.label for one in state.review.assignments])
        )
        assert len(shown) == 2
        least = min(label.scores["uncertainty"] for label in shown.values())
        every = next(step for step in scene.steps(run, "label") if step.round == state.review.round)
        made = scene.platform.database.transaction(lambda c, key=every.key: step_labels.of_step(c, key))
        rest = [label.scores["uncertainty"] for label in made if label.digest not in shown]
        assert max(rest) <= least
    few = scene.run(mode="optional", budget=3, order="gate")
    scene.drive(few)
    gates = [step.key for step in scene.steps(few, "gate")]
    refused = scene.platform.database.transaction(lambda c: step_labels.refused(c, gates))
    assert refused
    for state in scene.reviews(few):
        order = [one.slice in refused for one in state.review.assignments]
        assert len(order) == 3
        assert order == sorted(order, reverse=True), "what the gate refused comes first"


def test_a_review_ends_with_its_minutes_or_its_deadline(scene: Ward) -> None:
    run = opened(scene, budget="10min")
    reader = scene.reader(run)
    first, second, *_ = reader.slices()
    reader.accept(first, minutes="9")
    scene.pull(run)
    assert scene.reviews(run)[0].closed is None
    reader.accept(second, minutes="1.5")
    scene.pull(run)
    assert scene.reviews(run)[0].closed == "the budget of 10 minutes is spent"

    other = scene.run(seed=2, mode="required", deadline_h=0.5)
    assert scene.drive(other) is None
    close_what_is_due(scene.platform, other)
    (state,) = scene.reviews(other)
    assert state.closed is None
    close_what_is_due(scene.platform, other, now=state.opened_at + timedelta(minutes=31))
    assert scene.reviews(other)[0].closed == "the deadline of 0.5 hours has passed"


def test_no_test_slice_is_ever_shown(scene: Ward) -> None:
    run = opened(scene, gold=3)
    splits = {one.split for state in scene.reviews(run) for one in state.review.assignments}
    assert splits == {Split.LABELLED, Split.UNLABELLED}


def test_what_was_set_aside_is_told_until_it_is_put_right(scene: Ward) -> None:
    run = opened(scene)
    reader = scene.reader(run)
    slice_ = reader.slices()[0]
    reader.mask_file(slice_).write_bytes(b"no picture")
    reader.accept(slice_)
    for _ in range(2):
        scene.pull(run)
        (thing,) = summary(scene.platform, run).set_aside
    assert thing.blob is not None
    assert scene.platform.objects.get(thing.blob) == b"no picture"
    reader.correct(slice_, disc(40))
    scene.pull(run)
    assert summary(scene.platform, run).set_aside == ()
    assert np.array_equal(mask_of(scene, verdicts(scene, run)[slice_]), disc(40))
