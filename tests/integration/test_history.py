"""The story of masks, as the catalog tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maskloom.pipelines.history import labels_of_run, story_of_slice
from maskloom.pipelines.parameters import GateParameters
from maskloom.platform.catalog import labels, slices, step_labels, steps
from maskloom.platform.facts import LabelKind, LabelVersion, Split
from maskloom.platform.fingerprint import fingerprint
from support.painted import DATASET, Painted, ingest_phantom, paint, painted_run, quick_recipe
from support.servers import PostgresServer


@pytest.fixture(scope="module")
def painted(postgres_server: PostgresServer) -> Iterator[Painted]:
    with painted_run(postgres_server) as made:
        yield made


def test_every_slice_of_the_run_has_one_label_and_test_slices_have_no_part(painted: Painted) -> None:
    records = labels_of_run(painted.platform, painted.run)

    assert Counter((record.split, record.kind) for record in records) == {
        (Split.LABELLED, LabelKind.EXPERT): 5,
        (Split.UNLABELLED, LabelKind.PSEUDO): 12,
    }
    assert len({record.slice for record in records}) == 17
    assert [(record.split, record.volume, record.position) for record in records] == sorted(
        (record.split, record.volume, record.position) for record in records
    )


def test_the_final_pass_replaces_the_rounds_labels(painted: Painted) -> None:
    final = painted.platform.database.transaction(lambda c: steps.of_run(c, painted.run.id))[-2]
    pseudo = [r for r in labels_of_run(painted.platform, painted.run) if r.kind is LabelKind.PSEUDO]

    assert final.kind == "label"
    made = painted.platform.database.transaction(lambda c: step_labels.of_step(c, final.key))
    assert {record.label for record in pseudo} == {label.digest for label in made}
    assert {(record.stage, record.round, record.gate) for record in pseudo} == {("final", None, None)}


def test_without_a_final_pass_over_all_a_kept_label_stays_the_one_of_its_round(painted: Painted) -> None:
    recipe = replace(quick_recipe(), final_labels="refused")
    run = paint(painted.platform, recipe, painted.truth)
    decisions = painted.platform.database.transaction(lambda c: steps.decisions(c, run.id))
    kept = {decision.label for decision in decisions if decision.kept}

    pseudo = [r for r in labels_of_run(painted.platform, run) if r.kind is LabelKind.PSEUDO]

    assert 0 < len(kept) < 12
    assert {record.label for record in pseudo if record.round is not None} == kept
    assert {record.kept for record in pseudo if record.round is not None} == {True}
    assert Counter(record.stage for record in pseudo)["final"] == 12 - len(kept)


def test_a_pool_slices_story_names_round_network_seed_and_gate(painted: Painted) -> None:
    of_run = painted.platform.database.transaction(lambda c: steps.of_run(c, painted.run.id))
    first_group = next(step for step in of_run if step.kind == "label")
    label, *_ = painted.platform.database.transaction(lambda c: step_labels.of_step(c, first_group.key))

    early, late = story_of_slice(painted.platform, painted.run, label.slice)

    assert (early.stage, early.round, early.seed, early.gate) == ("round 1", 1, 1, "confidence")
    assert early.label == label.digest
    assert early.checkpoint == of_run[0].output["digest"]
    assert early.uncertainty == pytest.approx(int(label.slice[:2], 16) / 255)
    assert early.kept == (early.uncertainty <= 0.5)
    assert early.reason == ("kept" if early.kept else f"uncertainty {early.uncertainty:.3f} is above 0.500")
    assert late.stage == "final"
    assert late.checkpoint not in {None, early.checkpoint}
    assert early.made_at < late.made_at


def test_a_test_slice_has_its_expert_mask_alone(painted: Painted) -> None:
    connect = painted.platform.database.transaction
    (held_out,) = connect(lambda c: slices.find(c, DATASET, "test_1.png"))

    (record,) = story_of_slice(painted.platform, painted.run, held_out.digest)

    assert (record.kind, record.stage, record.split) == (LabelKind.EXPERT, "expert", Split.TEST)
    assert record.checkpoint is None
    assert record.seed is None


def test_other_runs_leave_no_trace(painted: Painted) -> None:
    before = labels_of_run(painted.platform, painted.run)
    other = paint(painted.platform, replace(quick_recipe(), gate=GateParameters(kind="none")), painted.truth)

    assert labels_of_run(painted.platform, painted.run) == before
    slice_digest = next(record.slice for record in before if record.kind is LabelKind.PSEUDO)
    stories = [story_of_slice(painted.platform, run, slice_digest) for run in (painted.run, other)]
    assert [story[0].gate for story in stories] == ["confidence", "none"]


def test_an_experts_correction_goes_before_every_pseudo_label(painted: Painted) -> None:
    run = paint(painted.platform, replace(quick_recipe(), final_labels="refused"), painted.truth)
    pseudo = next(r for r in labels_of_run(painted.platform, run) if r.kind is LabelKind.PSEUDO)
    expert = next(r for r in labels_of_run(painted.platform, run) if r.kind is LabelKind.EXPERT)
    correction = LabelVersion(
        digest=fingerprint("a correction"),
        dataset=DATASET,
        slice=pseudo.slice,
        split=Split.UNLABELLED,
        kind=LabelKind.EXPERT,
        mask=expert.mask,
    )
    painted.platform.database.transaction(lambda c: labels.add_labels(c, [correction]))

    record = next(r for r in labels_of_run(painted.platform, run) if r.slice == pseudo.slice)
    story = story_of_slice(painted.platform, run, pseudo.slice)

    assert (record.label, record.kind, record.stage) == (correction.digest, LabelKind.EXPERT, "expert")
    assert [entry.kind for entry in story][-1] is LabelKind.EXPERT


def test_an_unknown_slice_has_no_story(painted: Painted) -> None:
    assert story_of_slice(painted.platform, painted.run, "0" * 64) == []


def test_a_correction_of_a_slice_that_came_later_is_not_the_runs(painted: Painted, tmp_path: Path) -> None:
    before = labels_of_run(painted.platform, painted.run)
    (newcomer,) = ingest_phantom(painted.platform, tmp_path, Split.UNLABELLED, 1, seed=9)
    correction = LabelVersion(
        digest=fingerprint("a later correction"),
        dataset=DATASET,
        slice=newcomer,
        split=Split.UNLABELLED,
        kind=LabelKind.CORRECTED,
        mask=before[0].mask,
    )
    painted.platform.database.transaction(lambda c: labels.add_labels(c, [correction]))

    assert labels_of_run(painted.platform, painted.run) == before
    (record,) = story_of_slice(painted.platform, painted.run, newcomer)
    assert record.label == correction.digest
