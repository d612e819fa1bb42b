"""The short form of `make test-faults`: real networks in real Ray actors, each part killed, and what comes of it compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.stage import Driver, Stage
from support.trials import POINTS, WORKS_IN, Trial, at_moment, ctrl_c, driver_at_points, others_at_points

pytestmark = pytest.mark.timeout(900)


def same(trials: Iterator[Trial]) -> int:
    """How many trials there were, all of which ended the same."""
    done = list(trials)
    assert [(trial.where, trial.problems) for trial in done if trial.problems] == []
    return len(done)


def test_a_driver_killed_between_its_work_and_its_commit(stage: Stage) -> None:
    """At every point of each step, with steps that compute next to nothing: test_flow.py."""
    assert same(driver_at_points(stage, ["committing:label"])) == 1


@pytest.mark.parametrize(("victim", "kind"), WORKS_IN.items())
def test_an_actor_killed_with_work_saved_and_with_work_done(stage: Stage, victim: str, kind: str) -> None:
    saved, _, ran, *_ = POINTS[kind]
    assert same(others_at_points(stage, victim, [saved, ran])) == 2


def test_postgres_killed_before_a_commit(stage: Stage) -> None:
    assert same(others_at_points(stage, "postgres", [POINTS["train"][-2]])) == 1


def test_a_driver_killed_in_the_midst(stage: Stage) -> None:
    trial = at_moment(stage, victim="driver", moment=stage.seconds / 2)
    assert trial is not None
    assert trial.problems == ()


def test_ctrl_c_ends_within_seconds_and_the_run_resumes(stage: Stage) -> None:
    trial = ctrl_c(stage, moment=stage.seconds / 2)
    assert trial is not None
    assert trial.problems == ()


def test_sigterm_stops_as_cleanly_while_actors_work(stage: Stage) -> None:
    """Ray would end the process in its own way: it is what systemd, Docker and Kubernetes send."""
    with stage.copy() as home:
        driver = Driver(home, stage.run)
        assert driver.told(lambda event: event["event"] == "progress")
        driver.process.terminate()
        driver.wait()
        assert driver.events[-1][1]["type"] == "Stopped", driver.errors
        again = Driver(home, stage.run)
        assert again.wait() == 0, again.errors
        assert stage.verdict(home) == []
