"""`--workers 2`: trainers that meet through Ray and labellers that share the slices do what one of each does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maskloom.platform.bootstrap import open_platform
from maskloom.platform.catalog import steps
from maskloom.platform.settings import Settings
from support import dying_gang, small_run
from support.remains import facts, loose_ends
from support.servers import remove_home, short_folder
from support.stage import Driver

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def driven() -> dict[int, tuple[list[Any], dict[str, list[str]]]]:
    """By number of workers: the supervised stage's curve of (step, loss, Dice), and the facts that the run left."""
    return {workers: outcome(workers) for workers in (1, 2)}


def outcome(workers: int) -> tuple[list[Any], dict[str, list[str]]]:
    home: Path = short_folder()
    with open_platform(Settings(home=home)) as platform:
        # Adam makes much of small differences.
        run = small_run.prepare(platform, "supervised.learning_rate=1e-5").id
    driver = Driver(home, run, SMALL_RUN_WORKERS=str(workers))
    assert driver.wait() == 0, driver.errors
    with open_platform(Settings(home=home)) as platform:
        assert loose_ends(platform) == []
        outputs = platform.database.transaction(lambda c: steps.outputs_of_run(c, run)).values()
        found = facts(platform)
    remove_home(home)
    return next(output["curve"] for output in outputs if "curve" in output and output["slices"] == 8), found


def test_the_same_global_batch_gives_the_same_losses(driven: dict[int, Any]) -> None:
    """Within 1e-5 in the first step and 1e-3 in the sixth: rounding grows from step to step."""
    alone, together = ([loss for _, loss, _ in driven[workers][0]] for workers in (1, 2))
    assert len(alone) == small_run.STEPS["supervised"]
    assert together[0] == pytest.approx(alone[0], rel=1e-5)
    assert together == pytest.approx(alone, rel=1e-3)


def test_every_slice_is_labelled_once_by_either_number(driven: dict[int, Any]) -> None:
    for table in ("slices", "label_versions", "gate_decisions", "checkpoints", "steps"):
        assert len(driven[1][1][table]) == len(driven[2][1][table]) > 0


def test_a_rank_that_dies_while_they_meet_costs_a_gang_and_no_run(maskloom_home: Path) -> None:
    said = subprocess.run(
        [sys.executable, dying_gang.__file__, maskloom_home],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert (maskloom_home / "rendezvous" / "died").exists()
    assert said.stdout == "trained\n"
