"""The whole job as a newcomer does it: `maskloom demo`, with real networks, and what its results are good for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from support.commands import Said, Shell
from support.servers import remove_home, short_folder

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    home = short_folder()
    yield Shell(home=home, patience_s=3000)
    remove_home(home)


@pytest.fixture(scope="module")
def demo(shell: Shell) -> Said:
    return shell("demo")


@pytest.fixture(scope="module")
def run(shell: Shell, demo: Said) -> str:
    assert demo.code == 0, demo.err
    return str(shell("runs", "--json").json[0]["run"])


def test_the_demo_says_where_to_look(shell: Shell, demo: Said, run: str) -> None:
    report = shell.home / "demo" / "report.html"
    assert report.as_uri() in demo.out
    assert run in report.read_text()
    assert len(list((shell.home / "demo" / "masks" / "masks").rglob("*.png"))) == 36 + 120


def test_the_network_has_learned_something(shell: Shell, run: str) -> None:
    record = shell("show", run, "--json").json
    assert (record["status"], record["rounds_done"]) == ("finished", 3)
    assert record["measures"]["dice"]["value"] > 0.5
    assert record["measures"]["specificity"]["value"] > 0.95


def test_a_second_demo_does_nothing_twice(shell: Shell, run: str) -> None:
    before = shell("show", run, "--json").json
    again = shell("demo")
    assert again.code == 0
    assert f"run {run} has finished already" in again.out
    assert shell("show", run, "--json").json == before


def test_predicted_masks_are_those_that_were_exported(shell: Shell, run: str, tmp_path: Path) -> None:
    images = shell.home / "demo" / "ct" / "unlabelled" / "images" / "patient_07"
    folder = tmp_path / "images"
    folder.mkdir()
    for image in images.glob("*.png"):
        (folder / image.name).write_bytes(image.read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    said = shell("predict", run, folder, "--out", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    predictions = {Path(one["image"]).stem: one for one in said.json["predictions"]}
    assert predictions["broken"]["problem"]
    assert (tmp_path / "out" / "predictions.csv").exists()
    exported = shell.home / "demo" / "masks" / "masks" / "unlabelled" / "patient_07"
    for image in images.glob("*.png"):
        drawn, wanted = (
            cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            for path in (tmp_path / "out" / predictions[image.stem]["mask"], exported / image.name)
        )
        # The batches were others, which moves a few pixels on the outline.
        assert (drawn != wanted).mean() < 0.002
