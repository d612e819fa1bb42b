"""What people see of a run: on a terminal and in a log, told by the calls of an observer."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.steps.gate import Gated
from maskloom.pipelines.steps.label import PseudoLabels
from maskloom.pipelines.steps.sample import Groups
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.work import Progress
from maskloom.platform.facts import DatasetVersion
from maskloom.services.cli import progress
from maskloom.services.cli.progress import Lines, Live
from maskloom.services.following import Following
from maskloom.services.words import duration, size

TRAINED = Trained(
    digest="d" * 64,
    size_bytes=1,
    steps=40,
    slices=30,
    curve=((20, 2.0, 0.2), (40, 1.25, 0.75)),
    images_per_s=12.34,
    compute_s=1.0,
)
LABELS = PseudoLabels(digest="l" * 64, count=3, empty=1)
GATED = Gated(digest="k" * 64, kept=2, refused=1)
GROUPS = Groups(order=SliceList(order="o" * 64, first=0, size=4), group_size=3)
BEFORE = DatasetVersion(digest="b" * 64, dataset="chest", parent=None, size=30)
GROWN = DatasetVersion(digest="g" * 64, dataset="chest", parent=BEFORE.digest, size=32)
ONE_ROUND = [("label", 1, LABELS), ("gate", 1, GATED), ("merge", 1, GROWN), ("train", 1, TRAINED)]


def do(observer: Lines | Live, steps: list[tuple[str, int | None, object]]) -> None:
    for kind, round_number, output in steps:
        observer.started(kind, round_number)
        observer.done(kind, round_number, output)


def log() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, highlight=False, soft_wrap=True, width=140), file


def terminal() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, highlight=False, width=140, color_system=None), file


def without_time(text: str) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d  | \(\d+\.\d s\)$", "", line) for line in text.splitlines()]


def test_a_log_has_a_line_a_step() -> None:
    console, file = log()
    with Lines(console) as lines:
        do(lines, [("train", None, TRAINED), ("sample", None, GROUPS), *ONE_ROUND])
    assert without_time(file.getvalue()) == [
        "supervised training: 40 steps on 30 slices, loss 1.250, Dice 0.750, 12.3 images/s",
        "sampling: 4 slices in 2 groups",
        "round 1 of 2  labelling: 3 masks, 1 of them empty",
        "round 1 of 2  gate: 2 kept, 1 refused",
        "round 1 of 2  merge: training set of 32 slices",
        "round 1 of 2  fine-tuning: 40 steps on 30 slices, loss 1.250, Dice 0.750, 12.3 images/s",
    ]


def test_what_was_done_before_is_counted_and_not_told() -> None:
    console, file = log()
    with Lines(console) as lines:
        lines.done("train", None, TRAINED)
        lines.done("sample", None, GROUPS)
        do(lines, ONE_ROUND[:1])
    assert without_time(file.getvalue()) == [
        "2 steps done before",
        "round 1 of 2  labelling: 3 masks, 1 of them empty",
    ]


def test_a_log_tells_of_a_long_step_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    console, file = log()
    report = Progress(kind="train", round=None, done=10, total=400, loss=0.5, dice=0.25, images_per_s=20.0)
    with Lines(console) as lines:
        lines.started("train", None)
        lines.progress(report)
        assert file.getvalue() == ""
        monkeypatch.setattr(progress, "QUIET_S", 0.0)
        lines.progress(report)
    assert without_time(file.getvalue()) == [
        "supervised training: 10 of 400, loss 0.500, Dice 0.250, 20.0 images/s"
    ]


def test_who_is_waited_for_is_told_once() -> None:
    console, file = log()
    with Lines(console) as lines:
        for _ in range(3):
            lines.waiting("train", None, "process 7 on ward")
    assert without_time(file.getvalue()) == [
        "supervised training: waiting for process 7 on ward, which does the same step"
    ]


def test_a_terminal_shows_round_step_figures_and_what_is_left() -> None:
    console, file = terminal()
    with Live(console) as live:
        do(live, [("train", None, TRAINED), ("sample", None, GROUPS), *ONE_ROUND])
        live.started("label", 2)
        live.progress(Progress(kind="label", round=2, done=7, total=40, images_per_s=3.5))
        live._bars.refresh()
    shown = file.getvalue()
    assert "✓ supervised training 40 steps on 30 slices, loss 1.250" in shown
    assert "✓ round 1 of 2        3 masks, 2 kept; trained on 30 slices, loss 1.250, Dice 0.750" in shown
    assert re.search(r"rounds\s+━.*2 of 2", shown)
    assert re.search(r"labelling\s+.*7 of 40\s+3\.5 images/s", shown)
    assert shown.count("✓") == 3


def test_a_terminal_shows_no_tick_for_what_was_done_before() -> None:
    console, file = terminal()
    with Live(console) as live:
        for kind, round_number, output in [("train", None, TRAINED), ("sample", None, GROUPS), *ONE_ROUND]:
            live.done(kind, round_number, output)
    assert "✓ 6 steps done before" in file.getvalue()
    assert file.getvalue().count("✓") == 1


@pytest.mark.parametrize(
    ("merged", "stages"),
    [
        (GROWN, ["supervised training", "pretraining", "final training"]),
        (BEFORE, ["supervised training", "final training"]),
    ],
)
def test_trainings_are_named_by_their_place(merged: DatasetVersion, stages: list[str]) -> None:
    following = Following()
    found = [following.done("train", None, TRAINED, 1.0)[0]]
    following.done("merge", 1, merged, 1.0)
    assert following.done("train", 1, TRAINED, 1.0)[0] == "fine-tuning"
    found += [following.done("train", None, TRAINED, 1.0)[0] for _ in stages[1:]]
    assert found == stages
    assert following.stage("label", None) == "final labels"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.6, "9.6 s"), (59.7, "1:00 min"), (61, "1:01 min"), (7260, "2:01 h")],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("size_bytes", "words"), [(999, "999 bytes"), (16_200_000, "16.2 MB"), (2.5e12, "2.5 TB")]
)
def test_sizes_read_well(size_bytes: float, words: str) -> None:
    assert size(size_bytes) == words
