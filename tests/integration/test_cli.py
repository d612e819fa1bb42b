"""The commands as processes: what they say, what they exit with, and what they never say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.commands import Shell
from support.images import grey_slice, saved
from support.servers import remove_home, short_folder


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A home that the tests share; each uses a data set of its own."""
    home = short_folder()
    yield Shell(home=home)
    remove_home(home)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three good slices, an empty file, and 25 files that are no images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        (folder / f"ward_{number}.png").write_bytes(saved(np.roll(grey_slice(), number * 7, 1), "PNG"))
    (folder / "empty.png").touch()
    for number in range(25):
        (folder / f"letter_{number:02}.jpg").write_text("Dear colleague")
    return folder


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, maskloom.services.cli.main; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "ray", "numpy", "cv2", "sqlalchemy", "pydantic", "psycopg2"} & set(loaded)


def test_help_names_every_command(shell: Shell) -> None:
    said = shell("--help")
    assert said.code == 0
    commands = (
        "demo doctor ingest recipes run resume runs show watch pause cancel evaluate predict export report"
    )
    for command in commands.split():
        assert f"│ {command} " in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("run semi-inf-net-quik --dataset d", ["no recipe 'semi-inf-net-quik'", "'semi-inf-net-quick'"]),
        ("run supervised --dataset d --set supervised.stepz=3", ["'supervised.stepz'", "'supervised.steps'"]),
        (
            "run supervised --dataset d --set supervised.steps=many",
            ["supervised.steps=many", "It is 400 now"],
        ),
        ("run supervised --dataset d --set supervised.steps", ["no value", "--set KEY=VALUE"]),
        ("recipes supervisd", ["no recipe 'supervisd'", "'supervised'"]),
        ("run supervised --dataset nowhere", ["no data set 'nowhere'", "maskloom ingest"]),
        ("show 0123", ["no run starts with '0123'", "maskloom run"]),
        ("resume 0123", ["no run starts with '0123'"]),
        ("pause 0123", ["no run starts with '0123'"]),
        ("ingest nowhere --dataset d --split unlabelled", ["nowhere is not there", "folder"]),
        ("ingest . --dataset d --split labelled", ["needs masks", "--masks PATH"]),
        ("ingest . --dataset d --split unlabelled --pattern (", ["not a regular expression"]),
        ("ingest . --dataset d --split all", ["--split", "'labelled', 'unlabelled', 'test'"]),
        ("run supervised --dataset d --seed -1", ["--seed", "greater than or equal to 0"]),
        (f"run supervised --dataset d --seed {2**63}", ["--seed", "less than or equal to"]),
        ("run supervised --dataset d --workers 0", ["--workers", "greater than or equal to 1"]),
    ],
)
def test_a_wrong_word_is_named_with_the_right_one(shell: Shell, arguments: str, words: list[str]) -> None:
    said = shell(*arguments.split())
    assert (said.code, said.out) == (2, "")
    for word in words:
        assert word in said.err


def test_ingest_says_what_is_in_and_what_is_not(shell: Shell, images: Path) -> None:
    said = shell("ingest", images, "--dataset", "first", "--split", "unlabelled")
    assert said.code == 0
    assert "first, split unlabelled: 3 new slices, 0 new masks, 0 known before" in said.out
    assert "26 files set aside:" in said.out
    assert "  empty.png: The file is empty: copy or export it again." in said.out
    assert "  letter_18.jpg: " in said.out
    assert "letter_19.jpg" not in said.out
    assert "and 6 more" in said.out

    again = shell("ingest", images, "--dataset", "first", "--split", "unlabelled", "--json")
    assert (again.code, again.json["added"], again.json["known"]) == (0, 0, 3)
    assert [bad["source"] for bad in again.json["set_aside"]][:2] == ["empty.png", "letter_00.jpg"]


def test_names_are_shown_as_they_are(shell: Shell, images: Path) -> None:
    (images / "a[b] [red].png").touch()
    said = shell("ingest", images, "--dataset", "[/b] [red]", "--split", "unlabelled")
    assert said.code == 0
    assert "[/b] [red], split unlabelled: 3 new slices" in said.out
    assert "  a[b] [red].png: The file is empty" in said.out


def test_strict_ingest_fails_when_something_was_set_aside(shell: Shell, images: Path) -> None:
    strict = ("ingest", images, "--dataset", "strict", "--split", "unlabelled", "--strict")
    assert shell(*strict).code == 1
    for bad in (images / "empty.png", *images.glob("letter_*")):
        bad.unlink()
    assert shell(*strict).code == 0


def test_a_slice_of_another_split_is_refused(shell: Shell, images: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "ward_0.png").write_bytes(saved(np.full((48, 40), 255, np.uint8), "PNG"))
    shell("ingest", images, "--dataset", "leak", "--split", "unlabelled")
    said = shell("ingest", images, "--masks", masks, "--dataset", "leak", "--split", "test", "--json")
    reasons = {bad["source"]: bad["reason"] for bad in said.json["set_aside"]}
    assert "would be a leak" in reasons["ward_0.png"]
    assert "no mask ward_1.png" in reasons["ward_1.png"]
    assert said.json["added"] == 0


def test_recipes_are_shown_with_what_set_knows(shell: Shell) -> None:
    assert "semi-inf-net-quick" in shell("recipes").out
    assert "volume" in next(
        line for line in shell("recipes", "semi-inf-net").out.splitlines() if "sampler.kind" in line
    )
    values = shell("recipes", "semi-inf-net", "--json").json["values"]
    assert values["sampler.group_size"] == 5
    assert values["fine_tune.learning_rate"] == 3e-4


def test_doctor_finds_a_healthy_machine(shell: Shell) -> None:
    said = shell("doctor", "--json")
    found = {finding["what"]: finding for finding in said.json}
    assert said.code == 0, said.out
    assert {"versions", "home", "disk", "memory", "loopback", "GPU", "PostgreSQL", "objects", "Ray"} <= set(
        found
    )
    assert "folders" in found["Label Studio"]["found"]
    assert all(finding["state"] in {"ok", "warn"} for finding in said.json)
    assert all(finding["advice"] for finding in said.json if finding["state"] == "warn")


def test_doctor_says_what_to_do_and_no_password(shell: Shell) -> None:
    nowhere = {
        "MASKLOOM_DATABASE_URL": "postgresql://doctor:hush-hush@127.0.0.1:1/db",
        "MASKLOOM_OBJECTS_URL": "s3://bucket?endpoint=127.0.0.1:1&secure=false",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "hush-hush",
        "MASKLOOM_RAY_ADDRESS": "127.0.0.1:1",
        "MASKLOOM_LABEL_STUDIO_URL": "http://127.0.0.1:1",
        "MASKLOOM_LABEL_STUDIO_TOKEN": "hush-hush",
    }
    said = shell("doctor", "--json", **nowhere)
    found = {finding["what"]: finding for finding in said.json}
    assert said.code == 1
    for what in ("PostgreSQL", "objects", "Ray", "Label Studio"):
        assert found[what]["state"] == "fail"
        assert found[what]["advice"]
    assert found["home"]["state"] == "ok"
    assert "hush-hush" not in said.out + said.err


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shell = Shell(home=tmp_path / "file" / "home")
    said = shell("runs")
    assert said.code == 75
    assert str(shell.home) in said.err
    assert "move it away" in said.err
    doctor = shell("doctor", "--json")
    assert doctor.code == 1
    assert {"home", "PostgreSQL", "objects"} <= {one["what"] for one in doctor.json if one["state"] == "fail"}


@pytest.mark.parametrize("url", ["nonsense", "mysql://user:hush-hush@host/db"])
def test_a_wrong_database_url_is_refused_without_its_password(shell: Shell, url: str) -> None:
    said = shell("runs", MASKLOOM_DATABASE_URL=url)
    assert said.code == 2
    assert "MASKLOOM_DATABASE_URL" in said.err
    assert "postgresql://" in said.err
    assert "hush-hush" not in said.err


def test_whoever_waits_for_a_database_is_told_and_can_leave(shell: Shell) -> None:
    with shell.start("runs", MASKLOOM_DATABASE_URL="postgresql://user:hush-hush@127.0.0.1:9/db") as process:
        assert process.stderr
        waiting = process.stderr.readline()
        assert "the catalog database does not answer" in waiting
        process.terminate()
        assert process.stderr.readline() == "maskloom: interrupted\n"
        assert process.wait() == 130
    assert "hush-hush" not in waiting


@pytest.mark.parametrize("arguments", [("recipes",), ("recipes", "--json"), ("runs",)])
def test_a_full_disk_behind_standard_output_is_no_bug(shell: Shell, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full, shell.start(*arguments, stdout=full) as process:
        _, errors = process.communicate()
    assert process.returncode == 1
    assert "The disk is full" in errors


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("export", "0123", "--out", ""), "--out"),
        (("cancel", ""), "RUN"),
        (("predict", "", ".", "--out", "masks"), "RUN"),
        (("predict", "0123", "", "--out", "masks"), "IMAGES"),
        (("ingest", "", "--dataset", "d", "--split", "unlabelled"), "PATH"),
        (("ingest", ".", "--masks", "", "--dataset", "d", "--split", "labelled"), "--masks"),
    ],
)
def test_what_is_empty_is_refused(shell: Shell, arguments: tuple[str, ...], where: str) -> None:
    """An empty path would be the folder that one is in, and an empty id all runs, where there is one the one."""
    said = shell(*arguments)
    assert said.code == 2
    assert where in said.err
    assert "variable that is not set" in said.err


def test_weights_that_are_missing_are_named_before_the_run_begins(shell: Shell, tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a_1.png").write_bytes(saved(grey_slice() // 255 * 255, "PNG"))
    taken = shell(
        "ingest",
        tmp_path / "images",
        "--masks",
        tmp_path / "masks",
        "--dataset",
        "paper",
        "--split",
        "labelled",
    )
    assert taken.code == 0, taken.err
    said = shell("run", "semi-inf-net", "--dataset", "paper", MASKLOOM_WEIGHTS="")
    assert said.code == 2
    assert "no ImageNet weights for 'res2net50d'" in said.err
    assert "MASKLOOM_WEIGHTS" in said.err
    assert "paper" not in shell("runs").out
