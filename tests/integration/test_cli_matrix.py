"""`maskloom run --matrix`, as a process: cells side by side, stopped, killed and gone on with. Runs compute next to nothing."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import psutil
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import runs
from maskloom.platform.errors import OutputUnwritable, SettingsError
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from maskloom.services.cli.main import app
from support.chest import ingest_chest
from support.commands import Said, Shell, wait_until
from support.servers import remove_home, short_folder

MATRIX = ("run", "semi-inf-net-quick", "--dataset", "chest", "--set", "sampler.group_size=6", "--matrix")
FOUR = (*MATRIX, "seed=0..1,sampler=random,volume", "--side-by-side", "2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home(Shell):
    """Commands, and the catalog they work on."""

    platform: Platform

    def runs(self) -> list[Run]:
        return self.platform.database.transaction(runs.all_runs)

    def statuses(self, *seeds: int) -> Counter[str]:
        names = [run.id for run in self.runs() if run.seed in seeds]
        return Counter(self.platform.database.transaction(lambda c: [runs.status(c, name) for name in names]))

    def rows(self, query: str) -> list[Any]:
        with self.platform.database.connection() as connection:
            return list(connection.execute(text(query)).all())


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with 6 slices with expert masks, 12 without and 4 for tests: two rounds."""
    home = short_folder()
    with open_platform(Settings(home=home)) as platform:
        shell = Home(home=home, tiny=True, platform=platform)
        ingest_chest(shell, tmp_path_factory.mktemp("chest"), tests=4)
        yield shell
    remove_home(home)


@pytest.fixture(scope="module")
def plot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plots") / "matrix.png"


@pytest.fixture(scope="module")
def finished(shell: Home, plot: Path) -> Said:
    """The matrix to its end: stopped by Ctrl-C while it trains, then killed while it labels, then left in peace."""
    stopped = shell.start(*FOUR, TINY_HOLD="train")
    wait_until(lambda: shell.statuses(0, 1)["running"] == 2)
    stopped.send_signal(signal.SIGINT)
    said = shell.end(stopped)
    assert said.code == 130, said.err
    assert "The same command goes on from here" in said.out
    assert shell.statuses(0, 1) == {"paused": 4}, "no scheduler goes on with them unasked"

    killed = shell.start(*FOUR, TINY_HOLD="label")
    wait_until(
        lambda: (
            len(
                shell.rows(
                    "select distinct s.key from steps s join attempts a on a.step = s.key join runs r on r.id = a.run "
                    "where s.kind = 'train' and r.seed < 2"
                )
            )
            == 2
        )
    )
    drivers = psutil.Process(killed.pid).children()
    killed.kill()
    killed.communicate()
    psutil.wait_procs(drivers, timeout=60)

    said = shell(*FOUR, "--out", plot)
    assert said.code == 0, said.err
    return said


def test_a_matrix_that_was_stopped_and_killed_goes_on_to_its_end(
    shell: Home, finished: Said, plot: Path
) -> None:
    assert "4 runs on chest: 0 new, 4 to go on with, 0 finished before" in finished.out
    assert shell.statuses(0, 1) == {"finished": 4}
    for sampler in ("random", "volume"):
        for seed in (0, 1):
            assert f"seed {seed}, sampler {sampler}: finished, round 2 of 2, Dice 0." in finished.out
        (row,) = (line.split() for line in finished.out.splitlines() if line.startswith(f"{sampler} "))
        assert row[1] == "2"
    assert "nothing is called the best" in finished.out
    assert plot.as_uri() in finished.out
    assert cv2.imread(str(plot)).shape[1] > 1000


def test_cells_side_by_side_do_the_steps_that_they_share_once(shell: Home, tmp_path: Path) -> None:
    matrix = (*MATRIX, "seed=5,sampler=random,volume", "--queue", "high", "--out", tmp_path / "plot.png")
    serving = shell.start("serve", "--role", "scheduler", "--runs", "2", TINY_HOLD="train")
    watching = shell.start(*matrix)
    wait_until(lambda: shell.statuses(5)["running"] == 2)
    time.sleep(1.5)  # until the second one has come to the step that the first one is at
    (shell.home / "go").touch()
    said = shell.end(watching)
    (shell.home / "go").unlink()
    serving.send_signal(signal.SIGTERM)
    assert (said.code, shell.end(serving).code) == (0, 0), said.err
    assert "2 runs left to `maskloom serve`" in said.out
    attempts = shell.rows(
        "select a.step, count(*) from attempts a join runs r on r.id = a.run where r.seed = 5 group by a.step"
    )
    assert {row.count for row in attempts} == {1}
    shared = shell.rows(
        "select s.kind, r.round from run_steps r join steps s on s.key = r.step join runs on runs.id = r.run "
        "where runs.seed = 5 group by s.key, s.kind, r.round having count(*) = 2"
    )
    assert ("train", None) in [(row.kind, row.round) for row in shared], (
        "the supervised network, for both samplers"
    )


def test_what_has_finished_is_not_done_again_and_told_as_json(
    shell: Home, finished: Said, plot: Path
) -> None:
    assert finished.code == 0
    before = shell.rows("select count(*) from attempts")
    said = shell(*FOUR, "--out", plot, "--json")
    assert said.code == 0, said.err
    assert "0 new, 0 to go on with, 4 finished before" in said.err
    assert shell.rows("select count(*) from attempts") == before
    told = said.json
    assert {cell["run"] for cell in told["cells"]} == {run.id for run in shell.runs() if run.seed < 2}
    assert [(cell["seed"], cell["values"]["sampler"]) for cell in told["cells"]] == [
        (0, "random"),
        (1, "random"),
        (0, "volume"),
        (1, "volume"),
    ]
    for group in told["groups"]:
        own = [cell for cell in told["cells"] if cell["values"]["sampler"] == group["values"]["sampler"]]
        dice = [cell["measures"]["dice"]["value"] for cell in own]
        assert group["measures"]["dice"]["mean"] == pytest.approx(sum(dice) / 2)
        assert list(group["dice"].values()) == dice
    assert told["plot"] == str(plot)


def test_a_cell_that_fails_is_named_and_the_others_are_told_of(
    shell: Home, finished: Said, tmp_path: Path
) -> None:
    assert finished.code == 0
    said = shell(*MATRIX, "sampler=random,seed=0,1,6", "--out", tmp_path / "plot.svg", TINY_FAIL="label")
    assert said.code == 1, said.err
    assert "3 runs on chest: 1 new, 0 to go on with, 2 finished before" in said.out
    assert "1 run not finished" in said.out
    assert "sampler random, seed 6: failed: RuntimeError: asked to fail" in said.out
    assert re.search(r"^random +2 of 3 +0\.", said.out, re.MULTILINE)
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seed", "3"), "--matrix seed=3,"),
        (("--detach",), "choose one"),
        (("--queue", "low", "--side-by-side", "2"), "serve --runs N"),
        (("--out", "plot.txt"), ".png or .svg"),
    ],
)
def test_what_contradicts_a_matrix_is_said_before_anything_is_opened(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    refused = CliRunner().invoke(
        app, [*MATRIX, "seed=0..1", *arguments], env={"MASKLOOM_HOME": str(tmp_path)}
    )
    assert isinstance(refused.exception, SettingsError | OutputUnwritable)
    assert said in f"{refused.exception.message}\n{refused.exception.hint}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("--out", "plot.png"), ("--side-by-side", "2")])
def test_what_is_about_a_matrix_wants_one(arguments: tuple[str, ...]) -> None:
    refused = CliRunner().invoke(app, ["run", "supervised", "--dataset", "chest", *arguments])
    assert isinstance(refused.exception, SettingsError)
    assert refused.exception.hint == "Give --matrix as well."
