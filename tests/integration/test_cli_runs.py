"""The commands that drive, follow, stop and tell of runs, as processes. Runs compute next to nothing (`tiny_flow`)."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import psutil
import pytest

from maskloom.platform.imaging.phantom import phantom_volume
from support.commands import Said, Shell, wait_until
from support.servers import remove_home, short_folder

RUN = ("run", "semi-inf-net-quick", "--dataset", "chest", "--set", "sampler.group_size=4")


def write_patient(folder: Path, patient: int, slices: int) -> None:
    for kind, pixels in zip(("images", "masks"), phantom_volume(patient, slices, 64), strict=True):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for position, slice_ in enumerate(pixels, start=1):
            cv2.imwrite(str(folder / kind / f"p{patient}_{position:02}.png"), slice_)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A home with a data set: 6 slices with expert masks, 12 without, 4 for tests."""
    home, patients = short_folder(), tmp_path_factory.mktemp("patients")
    shell = Shell(home=home, tiny=True)
    for patient, (split, slices) in enumerate((("labelled", 6), ("unlabelled", 12), ("test", 4))):
        write_patient(patients / split, patient, slices)
        masks = () if split == "unlabelled" else ("--masks", patients / split / "masks")
        said = shell("ingest", patients / split / "images", *masks, "--dataset", "chest", "--split", split)
        assert f"{slices} new slices" in said.out
    yield shell
    remove_home(home)


def started(shell: Shell, seed: int, **environment: str) -> str:
    """The id of the run of a seed, once a process drives it."""
    found: list[str] = []

    def drives() -> bool:
        runs = shell("runs", "--json").json
        found[:] = [run["run"] for run in runs if run["seed"] == seed and run["driver"]]
        return bool(found)

    wait_until(drives)
    return found[0]


@pytest.fixture(scope="module")
def finished(shell: Shell) -> Said:
    """A run of seed 0 from its start to its end, told line by line."""
    said = shell(*RUN)
    assert said.code == 0, said.err
    return said


@pytest.fixture(scope="module")
def run(shell: Shell, finished: Said) -> str:
    """The id of the finished run."""
    assert finished.code == 0
    return next(run["run"] for run in shell("runs", "--json").json if run["seed"] == 0)


def test_a_run_tells_a_line_for_each_step(finished: Said, run: str) -> None:
    lines = finished.out.splitlines()
    assert lines[0] == (
        f"run {run} is new: semi-inf-net-quick with sampler.group_size=4 on chest, seed 0: 6 expert masks, 12 slices to label"
    )
    steps = [line.split("  ", 1)[1].partition(":")[0] for line in lines if line[:2].isdigit()]
    a_round = ["labelling", "gate", "merge", "fine-tuning"]
    rounds = [f"round {number} of 3  {step}" for number in (1, 2, 3) for step in a_round]
    assert steps == [
        "supervised training",
        "sampling",
        *rounds,
        "pretraining",
        "final training",
        "what is left",
        "final labels",
        "evaluation",
    ]
    assert "Mean Dice" in finished.out
    assert f"maskloom report {run}" in finished.out


def test_a_finished_run_is_replayed(shell: Shell, run: str) -> None:
    said = shell(*RUN, "--json")
    assert f"run {run} has finished already" in said.err
    assert "19 steps done before" in said.err
    assert said.json == shell("show", run, "--json").json


def test_show_names_what_programs_need(shell: Shell, run: str) -> None:
    record = shell("show", run[:6], "--json").json
    assert (record["status"], record["rounds"], record["rounds_done"]) == ("finished", 3, 3)
    assert len(record["final_checkpoint"]) == 64
    assert record["counts"]["labels"] == 24  # 12 in rounds, 12 by the finished network
    assert record["counts"]["gated"] == 12
    assert {"value", "low", "high"} == set(record["measures"]["mean_dice"])
    assert (record["errors"], record["changed"]) == ([], {"sampler.group_size": 4})
    text = shell("show", run).out
    assert record["final_checkpoint"] in text
    assert "on the test slices of chest (4)" in text


def test_show_tells_the_story_of_a_mask(shell: Shell, run: str) -> None:
    story = shell("show", run, "--slice", "p1_05.png", "--json").json
    assert (story["slice"]["volume"], story["slice"]["position"]) == ("p1", 5)
    in_round, final = story["masks"]
    assert in_round["stage"] == f"round {in_round['round']}"
    assert (in_round["kind"], in_round["seed"], in_round["gate"]) == ("pseudo", 0, "confidence")
    assert (final["stage"], final["gate"]) == ("final", None)
    text = shell("show", run, "--slice", "p1_05.png").out
    for word in ("p1, position 5", in_round["checkpoint"], "(final training)", "in force", "confidence: "):
        assert word in text


def test_show_names_the_nearest_slices(shell: Shell, run: str) -> None:
    said = shell("show", run, "--slice", "p1_5.png")
    assert said.code == 2
    assert "p1_05.png" in said.err


def test_a_finished_run_is_watched_to_its_end(shell: Shell, run: str) -> None:
    said = shell("watch", run)
    assert (said.code, said.out.splitlines()[-1]) == (0, f"run {run} is finished")
    told = [json.loads(line) for line in shell("watch", run, "--json").out.splitlines()]
    assert [line["step"] for line in told[:2]] == ["train", "sample"]
    assert told[-1] == {"run": run, "status": "finished"}


def test_evaluate_measures_other_slices_and_warns_of_its_own(shell: Shell, run: str) -> None:
    said = shell("evaluate", run, "--dataset", "chest", "--split", "labelled")
    assert said.code == 0, said.err
    assert "on the labelled slices of chest (6)" in said.out
    assert "flatter" in said.out
    again = shell("evaluate", run, "--dataset", "chest", "--split", "labelled", "--json")
    assert again.json["count"] == 6
    assert "1 step done before" in again.err
    record = shell("show", run, "--json").json
    assert [one["split"] for one in record["evaluations"]] == ["test", "labelled"]
    assert record["status"] == "finished"
    unknown = shell("evaluate", run, "--dataset", "chess")
    assert (unknown.code, "chest" in unknown.err) == (2, True)


def test_export_and_report(shell: Shell, run: str, tmp_path: Path) -> None:
    said = shell("export", run, "--format", "png", "--out", tmp_path / "png")
    assert said.code == 0, said.err
    assert "18 slices in" in said.out
    with (tmp_path / "png" / "provenance.csv").open() as table:
        assert len(list(csv.DictReader(table))) == 18
    assert shell("export", run, "--format", "coco", "--out", tmp_path / "coco", "--json").json["slices"] == 18
    refused = shell("export", run, "--out", tmp_path)
    assert (refused.code, "not empty" in refused.err) == (1, True)
    said = shell("report", run, "--out", tmp_path / "report.html")
    assert said.code == 0, said.err
    assert (tmp_path / "report.html").as_uri() in said.out
    assert run in (tmp_path / "report.html").read_text()


def test_one_run_has_one_driver(shell: Shell) -> None:
    first = shell.start(*RUN, "--seed", "1", TINY_HOLD="label")
    run = started(shell, 1)
    second = shell(*RUN, "--seed", "1")
    assert second.code == 75
    assert f"process {first.pid}" in second.err
    assert f"maskloom watch {run}" in second.err
    (shell.home / "go").touch()
    assert shell.end(first).code == 0
    (shell.home / "go").unlink()


def test_ctrl_c_stops_and_resume_goes_on(shell: Shell, run: str) -> None:
    process = shell.start(*RUN, "--seed", "2", TINY_HOLD="label")
    other = started(shell, 2)
    process.send_signal(signal.SIGINT)
    said = shell.end(process)
    assert said.code == 130
    assert f"maskloom resume {other}" in said.out
    assert shell("show", other, "--json").json["status"] == "interrupted"
    assert shell("watch", other).code == 1
    resumed = shell("resume", other, "--json")
    assert resumed.code == 0
    assert f"run {other} goes on" in resumed.err
    assert resumed.json["status"] == "finished"


def test_pause_and_cancel_stop_the_driver(shell: Shell) -> None:
    for kind, seed in (("pause", 3), ("cancel", 4)):
        process = shell.start(*RUN, "--seed", seed, TINY_HOLD="train")
        run = started(shell, seed)
        asked = shell(kind, run)
        assert asked.code == 0
        assert f"run {run} is {kind.rstrip('e')}" in asked.out
        assert shell.end(process).code == 130
        assert shell("show", run, "--json").json["status"].startswith(kind.rstrip("e"))
        assert shell("resume", run).code == 0
        assert "nothing changes" in shell(kind, run).out


def test_a_detached_run_outlives_its_command(shell: Shell) -> None:
    said = shell(*RUN, "--seed", "5", "--detach", "--json", TINY_HOLD="label")
    assert said.code == 0, said.err
    child = psutil.Process(said.json["pid"])
    assert child.is_running()
    run = said.json["run"]
    watching = shell.start("watch", run)
    (shell.home / "go").touch()
    assert shell.end(watching).code == 0
    (shell.home / "go").unlink()
    psutil.wait_procs([child], timeout=60)
    assert "final training" in Path(said.json["log"]).read_text()
    again = shell("resume", run, "--detach", "--json")
    assert (again.code, again.json["run"]) == (0, run)
    wait_until(lambda: not psutil.pid_exists(again.json["pid"]))


def test_a_run_that_is_refused_is_not_created(shell: Shell) -> None:
    said = shell(*RUN, "--seed", "404", "--detach", "--queue", "low")
    assert (said.code, said.out) == (2, "")
    assert "choose one" in said.err
    assert 404 not in {run["seed"] for run in shell("runs", "--json").json}


def test_an_unforeseen_error_is_kept_for_a_report(shell: Shell) -> None:
    said = shell(*RUN, "--seed", "6", TINY_FAIL="label")
    assert said.code == 70
    assert "asked to fail" in said.err
    log = next(Path(word.rstrip(":")) for word in said.err.split() if word.startswith(str(shell.home)))
    assert "Traceback" in log.read_text()
    record = next(run for run in shell("runs", "--json").json if run["seed"] == 6)
    assert record["status"] == "failed"
    assert "asked to fail" in record["errors"][-1]["error"]
    assert "asked to fail" in shell("show", record["run"]).out
    assert shell("resume", record["run"]).code == 0


def test_json_is_all_that_standard_output_says(shell: Shell, run: str) -> None:
    quiet = replace(shell, environment={"TERM": "xterm", "FORCE_COLOR": "1"})
    for command in (("runs",), ("show", run), ("recipes",), (*RUN,)):
        said = quiet(*command, "--json")
        assert said.code == 0
        assert said.json


def test_a_network_gets_a_name_and_becomes_the_champion(shell: Shell, run: str) -> None:
    assert "There is no model yet" in shell("models").out
    assert "candidate of chest" in shell("models", "register", run, "--name", "first").out
    said = shell("predict", "champion:chest", shell.home, "--out", shell.home.parent / "masks")
    assert (said.code, "has no champion" in said.err) == (2, True)
    assert "first is the champion" in shell("models", "promote", "first", "--dataset", "chest").out
    (model,) = shell("models", "--json").json
    assert (model["name"], model["stage"], model["run"], model["slices"]) == ("first", "champion", run, 4)
    assert "first" in shell("models", "--dataset", "chest").out
    for command in (("rollback",), ("archive", "first")):
        said = shell("models", *command, "--dataset", "chest")
        assert said.code == 1
        assert "champion" in said.err
    assert "The audit trail holds: 2 entries" in shell("audit", "verify").out
