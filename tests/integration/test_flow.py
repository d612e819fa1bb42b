"""A run whose process is killed at every point of the step protocol ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from maskloom.pipelines import drive
from maskloom.platform import failpoints
from maskloom.platform.catalog import leases, steps
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import RunStatus
from support import tiny_flow
from support.painted import ingest_phantom
from support.remains import facts, loose_ends
from support.tiny_setting import (
    Setting,
    ended,
    prepared,
    wait_for_line,
    wait_until_leases_expire,
    wait_until_stopped,
)

KINDS = ("train", "sample", "label", "gate", "merge", "rest")
SAVING = ("train", "label", "gate")
"""Kinds of step long enough to save how far they are, or to commit what they have by then."""


def points(kind: str) -> list[str]:
    """Those of the step protocol that a step of this kind reaches."""
    return [point for point in failpoints.POINTS if point != "progress_saved" or kind in SAVING]


@pytest.fixture
def setting(maskloom_home: Path, catalog_url: str) -> Iterator[Setting]:
    with prepared(maskloom_home, catalog_url) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(postgres_server: object, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The facts that the run leaves when nothing dies."""
    home = tmp_path_factory.mktemp("undisturbed")
    url = postgres_server.url.removesuffix("postgres") + "undisturbed"  # type: ignore[attr-defined]
    postgres_server.execute("CREATE DATABASE undisturbed")  # type: ignore[attr-defined]
    with prepared(home, url) as setting:
        setting.finish()
        assert loose_ends(setting.platform) == []
        left = facts(setting.platform)
    postgres_server.execute("DROP DATABASE undisturbed WITH (FORCE)")  # type: ignore[attr-defined]
    shutil.rmtree(home)
    return left


def test_the_undisturbed_run_has_every_kind_of_step(undisturbed: dict[str, list[str]]) -> None:
    for kind in KINDS:
        assert any(f'"kind": "{kind}"' in row for row in undisturbed["steps"])
    assert len(undisturbed["label_versions"]) == 5 + 12 + 12
    assert len(undisturbed["gate_decisions"]) == 12
    assert {'"kept": true' in row for row in undisturbed["gate_decisions"]} == {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_point_of_a_step_it_ends_the_same(
    kind: str, setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    kill_at_every_point(setting, kind)
    assert facts(setting.platform) == undisturbed
    assert loose_ends(setting.platform) == []


def test_killed_at_every_point_of_an_evaluation_it_ends_the_same(setting: Setting) -> None:
    setting.finish()
    before = facts(setting.platform)
    ingest_phantom(setting.platform, setting.platform.settings.home / "test", Split.TEST, 3, seed=2)
    kill_at_every_point(setting, "evaluate")
    after = facts(setting.platform)
    assert len(after["evaluations"]) == 1
    assert after["steps"] == sorted(
        [*before["steps"], *(row for row in after["steps"] if '"evaluate"' in row)]
    )
    assert loose_ends(setting.platform) == []


def kill_at_every_point(setting: Setting, kind: str) -> None:
    """Start the run again and again, each time to be killed at a later point of a step of `kind`; then let it end."""
    for point in points(kind):
        code, _, err = ended(setting.start(MASKLOOM_FAILPOINT=f"{point}:{kind}"))
        assert code == -signal.SIGKILL, f"did not reach {point}: {err}"
        assert setting.status() is RunStatus.INTERRUPTED
    setting.finish()
    assert setting.status() is RunStatus.FINISHED


def test_a_step_goes_on_from_its_saved_progress(setting: Setting) -> None:
    ended(setting.start(MASKLOOM_FAILPOINT="progress_saved:train:2"))
    with setting.platform.database.connection() as connection:
        (name,) = connection.scalars(text("select name from leases where progress is not null")).all()
        saved = leases.progress(connection, name)
    assert saved is not None
    assert b'"step": 4' in setting.platform.objects.get(saved)
    process = setting.start(MASKLOOM_FAILPOINT="progress_saved:train:1")
    ended(process)
    with setting.platform.database.connection() as connection:
        saved = leases.progress(connection, name)
    assert saved is not None
    assert b'"step": 6' in setting.platform.objects.get(saved)


def test_labels_that_were_committed_before_a_death_stay_and_are_not_made_again(
    setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    def labelled() -> dict[str, str]:
        with setting.platform.database.connection() as connection:
            rows = connection.execute(text("select digest, at from label_versions where kind = 'pseudo'"))
            return {row.digest: row.at.isoformat() for row in rows}

    ended(setting.start(MASKLOOM_FAILPOINT="progress_saved:label"))
    before = labelled()
    assert len(before) == 2, "a task of two slices, of a group of four"
    with setting.platform.database.connection() as connection:
        assert "label" not in connection.scalars(text("select kind from steps")).all()
    setting.finish()
    assert before.items() <= labelled().items()
    assert facts(setting.platform) == undisturbed


def test_who_was_away_longer_than_the_lease_cannot_commit_more_labels(
    setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    away = setting.start(MASKLOOM_FAILPOINT="progress_saved:label", MASKLOOM_FAILPOINT_SIGNAL="SIGSTOP")
    wait_until_stopped(away)
    wait_until_leases_expire(setting)
    with setting.start(TINY_HOLD="label") as heir:
        wait_for_line(heir, "started label 1")
        away.send_signal(signal.SIGCONT)
        code, _, err = ended(away)
        assert code == 75
        assert err.startswith("LeaseLost | another process took over")
        with setting.platform.database.connection() as connection:
            made = connection.scalar(text("select count(*) from label_versions where kind = 'pseudo'"))
        assert made == 2
        (setting.platform.settings.home / "go").touch()
        assert ended(heir)[0] == 0
    assert facts(setting.platform) == undisturbed


def test_saved_progress_that_is_gone_starts_the_step_over(
    setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    ended(setting.start(MASKLOOM_FAILPOINT="progress_saved:train"))
    with setting.platform.database.connection() as connection:
        (saved,) = connection.scalars(text("select progress from leases where progress is not null")).all()
    setting.platform.objects.delete(saved)
    setting.finish()
    assert facts(setting.platform) == undisturbed


def test_a_finished_run_is_replayed_without_working(setting: Setting) -> None:
    first = setting.finish()
    again = setting.finish()
    assert "started" not in again
    assert again.splitlines()[-1] == first.splitlines()[-1]
    with setting.platform.database.connection() as connection:
        attempts = connection.scalar(text("select count(*) from attempts"))
        assert attempts == connection.scalar(text("select count(*) from steps"))


@pytest.mark.parametrize("kind", ["train", "label"])
def test_a_failing_step_leaves_its_error_and_is_tried_again(
    kind: str, setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    code, _, err = ended(setting.start(TINY_FAIL=kind))
    assert code == 1
    assert "asked to fail" in err
    assert setting.status() is RunStatus.FAILED
    with setting.platform.database.connection() as connection:
        (failed,) = steps.errors_of(connection, setting.run.id)
    assert failed["error"] == "RuntimeError: asked to fail"
    setting.finish()
    assert setting.status() is RunStatus.FINISHED
    assert facts(setting.platform) == undisturbed
    assert loose_ends(setting.platform) == []


def test_a_transaction_may_be_done_again_after_its_commit(
    setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    setting.finish(TINY_TWICE="1")  # as if each answer to COMMIT had been lost
    assert facts(setting.platform) == undisturbed
    assert loose_ends(setting.platform) == []


def test_a_step_whose_facts_are_refused_leaves_its_error(setting: Setting) -> None:
    refused = "alter table label_versions add constraint refused check (kind <> 'pseudo') not valid"
    setting.platform.database.transaction(lambda connection: connection.execute(text(refused)))
    code, _, err = ended(setting.start())
    assert code == 1, err
    with setting.platform.database.connection() as connection:
        (failed,) = steps.errors_of(connection, setting.run.id)
        assert leases.current(connection, f"step/{failed['step']}") is None
    assert "IntegrityError" in failed["error"]
    assert "refused" in failed["error"]


def test_what_the_models_do_not_have_is_a_wrong_setting(setting: Setting) -> None:
    code, _, err = ended(setting.start(TINY_REFUSE="label"))
    assert code == 2
    assert "SettingsError | there is no such engine" in err


def test_a_second_process_on_the_run_is_told_who_drives_it(
    setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    with setting.start(TINY_HOLD="label") as first:
        wait_for_line(first, "started label 1")
        assert setting.status() is RunStatus.RUNNING
        code, out, err = ended(setting.start())
        assert code == 75
        assert out == ""
        assert f"RunBusy | run {setting.run.id} is driven by process {first.pid} on " in err
        (setting.platform.settings.home / "go").touch()
        assert ended(first)[0] == 0
    assert facts(setting.platform) == undisturbed


def test_runs_that_share_steps_share_their_work(setting: Setting) -> None:
    recipe = tiny_flow.tiny_recipe(uncertainty=0.2)
    other, new = drive.create(setting.platform, recipe, "phantom", seed=1)
    assert new
    with setting.start(TINY_HOLD="train") as first:
        wait_for_line(first, "started train None")
        with setting.start(other) as second:
            assert second.stdout
            assert (
                second.stdout.readline()
                == f"waiting train None process {first.pid} on {os.uname().nodename}\n"
            )
            (setting.platform.settings.home / "go").touch()
            assert [ended(first)[0], ended(second)[0]] == [0, 0]
    with setting.platform.database.connection() as connection:
        attempts = connection.execute(
            text("select step, count(*), count(distinct run) as runs from attempts group by step")
        ).all()
        assert {row.count for row in attempts} == {1}
        shared = connection.scalars(
            text("select kind from run_steps join steps on key = step group by key having count(*) = 2")
        ).all()
    assert sorted(shared) == ["label", "sample", "train"]
    assert loose_ends(setting.platform) == []


def test_who_was_away_longer_than_the_lease_cannot_commit(
    setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    away = setting.start(MASKLOOM_FAILPOINT="ran:label", MASKLOOM_FAILPOINT_SIGNAL="SIGSTOP")
    wait_until_stopped(away)
    code, _, err = ended(setting.start())
    assert code == 75, "the lease still ran"
    assert f"process {away.pid} on" in err
    wait_until_leases_expire(setting)
    with setting.start(TINY_HOLD="train") as heir:
        wait_for_line(heir, "done label 1")
        away.send_signal(signal.SIGCONT)
        code, _, err = ended(away)
        assert code == 75
        assert err.startswith("LeaseLost | another process took over the step label")
        (setting.platform.settings.home / "go").touch()
        assert ended(heir)[0] == 0
    assert facts(setting.platform) == undisturbed
    assert loose_ends(setting.platform) == []


def test_who_was_away_longer_than_the_lease_cannot_save_progress(
    setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    away = setting.start(MASKLOOM_FAILPOINT="progress_saved:train:1", MASKLOOM_FAILPOINT_SIGNAL="SIGSTOP")
    wait_until_stopped(away)
    wait_until_leases_expire(setting)
    with setting.start(TINY_HOLD="train") as heir:
        wait_for_line(heir, "started train None")
        away.send_signal(signal.SIGCONT)
        code, _, err = ended(away)
        assert code == 75
        assert err.startswith("LeaseLost | another process took over")
        (setting.platform.settings.home / "go").touch()
        assert ended(heir)[0] == 0
    assert facts(setting.platform) == undisturbed


@pytest.mark.parametrize(
    ("asked", "becomes"), [("paused", RunStatus.PAUSED), ("cancelled", RunStatus.CANCELLED)]
)
def test_a_request_to_stop_is_obeyed(
    asked: str, becomes: RunStatus, setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    with setting.start(TINY_HOLD="label") as process:
        wait_for_line(process, "started label 1")
        assert (
            setting.platform.database.transaction(lambda c: drive.request(c, setting.run, asked))
            is RunStatus.RUNNING
        )
        code, _, err = ended(process)
    assert code == 130
    assert f"the run was {asked}" in err
    assert setting.status() is becomes
    assert [end for end in loose_ends(setting.platform) if "held" in end] == []
    setting.finish()
    assert setting.status() is RunStatus.FINISHED
    assert facts(setting.platform) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(
    number: signal.Signals, setting: Setting, undisturbed: dict[str, list[str]]
) -> None:
    with setting.start(TINY_HOLD="train") as process:
        wait_for_line(process, "started train None")
        process.send_signal(number)
        code, _, err = ended(process)
    assert code == 130
    assert "the run was interrupted" in err
    assert setting.status() is RunStatus.INTERRUPTED
    assert [end for end in loose_ends(setting.platform) if "held" in end] == []
    setting.finish()
    assert facts(setting.platform) == undisturbed
