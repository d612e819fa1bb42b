"""Reviews as a user gives them: `maskloom run --review`, readers in folders, and the commands of `maskloom review`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.chest import ingest_chest
from support.commands import Shell, wait_until
from support.folder_reader import FolderReader
from support.servers import remove_home, short_folder

RUN = ("run", "semi-inf-net-quick", "--dataset", "chest", "--set", "sampler.group_size=6")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A home with 6 slices with expert masks and 12 without: two rounds."""
    home = short_folder()
    shell = Shell(home=home, tiny=True)
    ingest_chest(shell, tmp_path)
    yield shell
    remove_home(home)


def the_run(shell: Shell) -> dict[str, Any]:
    (run,) = shell("runs", "--json").json
    return dict(run)


def test_a_run_that_waits_is_killed_resumed_and_goes_on_as_readers_do(shell: Shell) -> None:
    first = shell.start(*RUN, "--review", "required")
    wait_until(lambda: any(run["status"] == "waiting" for run in shell("runs", "--json").json))
    run = the_run(shell)["run"]
    reader = FolderReader(shell.home / "reviews" / run / "reader")
    wait_until(lambda: len(reader.slices()) == 6)
    os.kill(first.pid, signal.SIGKILL)
    shell_said = shell.end(first)
    assert "the run waits for its readers" in shell_said.out
    assert f"reader: 6 to read in {reader.folder}" in shell_said.out

    for slice_ in reader.slices():
        reader.accept(slice_, minutes="0,5")
    second = shell.start("resume", run)
    wait_until(lambda: len(reader.slices()) == 12)
    *_, last = reader.slices()
    for slice_ in reader.slices()[6:9]:
        reader.skip(slice_)
    reader.mask_file(last).write_bytes(b"no picture")
    reader.accept(last)
    wait_until(lambda: bool(shell("review", "status", run, "--json").json["set_aside"]))
    status = shell("review", "status", run, "--json").json
    assert [(one["accepted"], one["rejected"], one["closed"]) for one in status["rounds"]] == [
        (6, 0, "everything is read"),
        (0, 3, None),
    ]
    (read,) = status["readers"]
    assert (read["given"], read["left"], read["median_s"], read["total_s"]) == (12, 3, 30, 180)
    told = shell("review", "status", run)
    assert "the content is no PNG" in told.out or "PNG" in told.out
    assert "1 set aside" in told.out

    assert "1 review closed" in shell("review", "close", run).out
    said = shell.end(second)
    assert said.code == 0, said.err
    assert "the review is closed: it was closed by command" in said.out
    assert the_run(shell)["status"] == "finished"
    assert "No review is open" in shell("review", "close", run).out


def test_a_waiting_run_can_be_paused_and_watched(shell: Shell) -> None:
    said = shell(*RUN, "--review", "required", "--detach", "--json").json
    run = said["run"]
    wait_until(lambda: the_run(shell)["status"] == "waiting")
    watching = shell.start("watch", run)
    assert shell("pause", run).code == 0
    assert f"run {run} is paused" in shell.end(watching).out
    wait_until(lambda: not Path(f"/proc/{said['pid']}").exists())
    assert the_run(shell)["status"] == "paused"
    again = shell("resume", run, "--detach", "--json").json
    wait_until(lambda: the_run(shell)["status"] == "waiting")
    assert shell("cancel", run).code == 0
    wait_until(lambda: not Path(f"/proc/{again['pid']}").exists())


def test_a_run_waits_also_for_a_label_studio_that_does_not_answer(shell: Shell) -> None:
    nobody = {
        "MASKLOOM_LABEL_STUDIO_URL": "http://127.0.0.1:1",
        "MASKLOOM_LABEL_STUDIO_TOKEN": "hush-hush",
    }
    driving = shell.start(*RUN, "--review", "required", **nobody)
    wait_until(lambda: any(run["status"] == "waiting" for run in shell("runs", "--json").json))
    assert shell("pause", the_run(shell)["run"]).code == 0
    said = shell.end(driving)
    assert said.code == 130
    assert "nobody can read yet: cannot" in said.out
    assert "does not answer" in said.out
    assert "hush-hush" not in said.out + said.err
    shell("review", "down")


def test_commands_of_a_run_without_review_say_so(shell: Shell) -> None:
    assert shell(*RUN).code == 0
    run = the_run(shell)["run"]
    assert "has opened no review" in shell("review", "status", run).out
    assert "nothing to read" in shell("review", "push", run).out
    assert "nothing to read" in shell("review", "pull", run).out
    assert "No review is open" in shell("review", "close", run).out


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("review.budget=soon", "review.budget is 'soon'"),
        ("review.budget=0", "review.budget is 0"),
        ("review.readings=2", "review.readings is 2, and there are 1 readers"),
        ('review.readers=["../anna"]', "'../anna' cannot be a reader's name"),
        ('review.readers=["anna","anna"]', "Name each reader once"),
        ("review.adjudicator=reader", "both a reader and the adjudicator"),
        ("review.fraction=2", "review.fraction is 2"),
        ("review.mode=sometimes", "review.mode"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_run_begins(
    setting: str, problem: str, tmp_path: Path
) -> None:
    said = Shell(home=tmp_path)(*RUN, "--set", setting)
    assert said.code == 2
    assert problem in said.err
