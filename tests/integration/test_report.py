"""The report of a run, read as text; `e2e/test_report_page.py` looks at it in a browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from maskloom.pipelines import drive, recipes, results
from maskloom.pipelines.history import labels_of_run
from maskloom.pipelines.parameters import GateParameters
from maskloom.pipelines.report import write_report
from maskloom.pipelines.stopping import Stop
from maskloom.platform.catalog import slices, steps
from maskloom.platform.errors import OutputUnwritable
from maskloom.platform.facts import Split
from maskloom.platform.imaging.formats import decode_grey8
from support.painted import (
    DATASET,
    SIZE,
    VOLUMES,
    Painted,
    Quiet,
    paint,
    painted_run,
    painting,
    quick_recipe,
)
from support.report_page import Page
from support.servers import PostgresServer


@pytest.fixture(scope="module")
def painted(postgres_server: PostgresServer) -> Iterator[Painted]:
    with painted_run(postgres_server) as made:
        yield made


def report_of(painted: Painted, folder: Path) -> Page:
    write_report(painted.platform, painted.run, folder / "report.html")
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_it_needs_nothing_but_itself(painted: Painted, tmp_path: Path) -> None:
    page = report_of(painted, tmp_path)

    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in LINKS]
    assert addresses
    assert {address[:1] for address in addresses if not address.startswith("data:")} == {"#"}
    assert not {"script", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    assert "url(http" not in page.html
    assert "@import" not in page.html
    targets = set(page.attributes("a", "href"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert {target[1:] for target in targets} <= set(ids)
    assert len(ids) == len(set(ids))


LINKS = {"src", "href", "xlink:href", "srcset", "poster", "data", "action"}


def test_it_says_what_the_facts_say(painted: Painted, tmp_path: Path) -> None:
    words = report_of(painted, tmp_path).words

    decisions = painted.platform.database.transaction(lambda c: steps.decisions(c, painted.run.id))
    kept = sum(decision.kept for decision in decisions)
    (evaluation,) = painted.platform.database.transaction(lambda c: steps.evaluations_of(c, painted.run.id))
    dice = evaluation.measures["estimates"]["dice"]
    empty = sum(record.area == 0 for record in labels_of_run(painted.platform, painted.run)[5:])
    assert f"labelled 12 slices in 3 rounds; it found {empty} of them free of lesions" in words
    assert f"let {kept} of 12 labels into the training set" in words
    assert f"a Dice of {dice['value']:.2f} (95 % interval {dice['low']:.2f} to {dice['high']:.2f})" in words
    for estimate in evaluation.measures["estimates"].values():
        assert f"{estimate['value']:.3f} {estimate['low']:.3f} to {estimate['high']:.3f}" in words
    assert f"uncertainty … is above 0.500 {12 - kept}" in words
    assert evaluation.checkpoint in words
    for version in (painted.run.labelled, painted.run.pool):
        assert version.digest in words
    assert "sampler.group_size 4 400" in words


def test_every_picture_has_its_words_and_its_pixels(painted: Painted, tmp_path: Path) -> None:
    page = report_of(painted, tmp_path)

    sources, words = page.attributes("img", "src"), page.attributes("img", "alt")
    assert len(sources) == len(words) >= 4 + 5
    for source in sources:
        data = base64.b64decode(source.removeprefix("data:image/webp;base64,"))
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert picture.shape == (SIZE, SIZE)
        assert picture.std() > 10
    for volume in VOLUMES.values():
        assert any(f"CT slice {volume}_" in text for text in words)
    charts = [attributes for tag, attributes in page.tags if tag == "svg" and "role" in attributes]
    assert len(charts) == 7
    assert all(chart["aria-label"] for chart in charts)


def test_an_outline_is_the_masks_own(painted: Painted, tmp_path: Path) -> None:
    page = report_of(painted, tmp_path)
    shown = re.search(r'alt="CT slice test_1\.png.*?</svg>', page.html, re.DOTALL)
    assert shown is not None
    drawn = {who: filled(path) for who, path in re.findall(r'<path class="(\w+)" d="([^"]*)"/>', shown[0])}

    connect = painted.platform.database.transaction
    (held_out,) = connect(lambda c: slices.find(c, DATASET, "test_1.png"))
    evaluate = connect(lambda c: steps.of_run(c, painted.run.id))[-1]
    (row,) = (row for row in evaluate.output["slices"] if row["slice"] == held_out.digest)
    prediction = decode_grey8(painted.platform.objects.get(row["prediction"]))
    assert (drawn["expert"] == (painted.truth[held_out.digest] >= 128)).all()
    assert (drawn["network"] == (prediction >= 128)).all()
    assert drawn["expert"].any()
    assert (drawn["expert"] != drawn["network"]).any()


def filled(path: str) -> NDArray[np.bool_]:
    """The pixels that a path encloses or runs through."""
    curves = [
        np.array([[float(value) - 0.5 for value in point.split()] for point in curve.split("L")])
        for curve in path.strip("MZ").split("ZM")
    ]
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    cv2.drawContours(canvas, [curve.round().astype(np.int32)[:, None] for curve in curves], -1, 1, cv2.FILLED)
    return canvas > 0


def test_names_are_text_not_markup(painted: Painted, tmp_path: Path) -> None:
    page = report_of(painted, tmp_path)

    assert """CT slice <i>expert&"'_0.png""" in " ".join(page.attributes("img", "alt"))
    assert """<i>expert&"'_0.png""" in page.words.replace("_ 0. png", "_0.png")
    assert "<i>" not in page.html


def test_the_same_facts_give_the_same_file(painted: Painted, tmp_path: Path) -> None:
    first, second = (report_of(painted, tmp_path / name).html for name in "ab")

    assert first == second


def test_a_run_that_has_only_been_created_has_a_report(painted: Painted, tmp_path: Path) -> None:
    recipe = recipes.with_settings(recipes.named("semi-inf-net-quick"), ["supervised.steps=7"])
    run, _ = drive.create(painted.platform, recipe, DATASET, seed=5)

    page = report_of(replace(painted, run=run), tmp_path)

    assert "This run is interrupted" in page.words
    assert "No training has finished yet" in page.words
    assert "supervised steps 7 400" not in page.words
    assert "7 400" in page.words


def test_a_supervised_run_has_a_report_without_rounds(painted: Painted, tmp_path: Path) -> None:
    run = paint(painted.platform, recipes.named("supervised"), painted.truth)

    page = report_of(replace(painted, run=run), tmp_path)

    assert "the network was trained on them alone" in page.words
    assert "gate" not in page.words
    assert "Dice at 0.5" in page.words


def test_a_gate_that_keeps_all_is_said_so(painted: Painted, tmp_path: Path) -> None:
    run = paint(painted.platform, replace(quick_recipe(), gate=GateParameters(kind="none")), painted.truth)

    page = report_of(replace(painted, run=run), tmp_path)

    assert "The gate refused no label" in page.words
    assert "let 12 of 12 labels" in page.words


def test_figures_on_what_was_trained_on_say_so_and_come_last(painted: Painted, tmp_path: Path) -> None:
    run = paint(painted.platform, replace(quick_recipe(), final_labels="refused"), painted.truth)
    with painting(painted.truth):
        for split in (Split.LABELLED, Split.TEST):
            results.evaluate(painted.platform, run, DATASET, split, workers=1, observer=Quiet(), stop=Stop())

    words = report_of(replace(painted, run=run), tmp_path).words

    flattered = words.index("5 labelled slices of phantom, which the network was trained on")
    assert words.index("4 test slices of phantom") < flattered
    assert "On 4 slices of the test split it reaches" in words
    assert "The network has not learnt from these slices" in words


def test_a_place_that_cannot_be_written_is_said(painted: Painted, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(OutputUnwritable, match="is a folder"):
        write_report(painted.platform, painted.run, tmp_path)
    with pytest.raises(OutputUnwritable, match="cannot write"):
        write_report(painted.platform, painted.run, tmp_path / "file" / "report.html")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
