"""Which runs a matrix has, and what is said of them in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import pytest

from maskloom.pipelines import recipes
from maskloom.pipelines.matrix.axes import MOST_CELLS, Cell, cells
from maskloom.pipelines.matrix.plot import check_place, draw
from maskloom.pipelines.matrix.summary import Result, Summary, summarise
from maskloom.pipelines.recipes import SemiInfNet
from maskloom.platform.errors import OutputUnwritable, SettingsError

QUICK = "semi-inf-net-quick"


def words(written: str, recipe: str | None = QUICK, *settings: str) -> list[str]:
    return [str(cell) for cell in cells(written, recipe, settings)]


def test_every_value_meets_every_other_and_seeds_are_side_by_side() -> None:
    assert words("seed=0..1,7,sampler=random,volume") == [
        f"seed {seed}, sampler {sampler}" for sampler in ("random", "volume") for seed in (0, 1, 7)
    ]


def sampler_of(cell: Cell) -> str:
    assert isinstance(cell.recipe, SemiInfNet)
    return cell.recipe.sampler.kind


def test_a_cell_is_what_a_single_run_would_be() -> None:
    first, second = cells("sampler=random,volume", QUICK, ["sampler.group_size=4"])
    assert (first.seed, sampler_of(first), sampler_of(second)) == (0, "random", "volume")
    assert first.settings == ("sampler.group_size=4", "sampler.kind=random")
    assert second.recipe == recipes.with_settings(
        recipes.named(QUICK), ["sampler.group_size=4", "sampler.kind=volume"]
    )


def test_recipes_are_an_axis_and_lists_are_one_value() -> None:
    assert words("recipe=supervised,semi-inf-net-quick, seed=3", None) == [
        "recipe supervised, seed 3",
        "recipe semi-inf-net-quick, seed 3",
    ]
    assert words('review.readers=["anna","ben"],["carl"]') == [
        'review.readers ["anna","ben"]',
        'review.readers ["carl"]',
    ]


@pytest.mark.parametrize(
    ("written", "recipe", "settings", "said"),
    [
        ("", QUICK, (), "empty part"),
        ("seed=0,,1", QUICK, (), "empty part"),
        ("seed=", QUICK, (), "empty part"),
        ("random,seed=1", QUICK, (), "'random' belongs to no axis"),
        ("seed=0,sampler=random,seed=1", QUICK, (), "axis seed is there twice"),
        ("sampler=random,sampler.kind=volume", QUICK, (), "axis sampler.kind is there twice"),
        ("seed=0..2,1", QUICK, (), "seed has 1 twice"),
        ("seed=4..0", QUICK, (), "Did you mean 0..4?"),
        ("seed=0..x", QUICK, (), "such as 0..4"),
        ("seed=-1", QUICK, (), "whole numbers from 0"),
        ("seed=0..999999999", QUICK, (), "1,000,000,000 runs"),
        (f"seed=1..{MOST_CELLS // 2 + 1},sampler=random,volume", QUICK, (), "the most is 1,000"),
        ("smapler=random", QUICK, (), "Did you mean 'sampler'?"),
        (
            "sampler=randon",
            QUICK,
            (),
            "sampler randon: --set sampler.kind=randon: Input should be 'random' or",
        ),
        ("gate.uncertainty=0.3,3", QUICK, (), "It lies between 0 and 1"),
        ("recipe=supervised,semi-inf-net,sampler=random", None, (), "'supervised' has no sampler.kind"),
        ("recipe=supervise,semi-inf-net", None, (), "Did you mean 'supervised'?"),
        ("recipe=supervised", QUICK, (), "it is an axis too"),
        ("seed=0", None, (), "make it an axis: recipe=semi-inf-net,"),
        ("sampler=random", QUICK, ("sampler.kind=volume",), "--set gives it a value as well"),
        ("gate.uncertainty=0.3,0.30", QUICK, (), "are the same run"),
    ],
)
def test_what_cannot_be_run_is_said(
    written: str, recipe: str | None, settings: Sequence[str], said: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        cells(written, recipe, settings)
    assert said in f"{raised.value.message}\n{raised.value.hint}"


def test_as_many_cells_as_are_allowed() -> None:
    assert len(words(f"seed=1..{MOST_CELLS}")) == MOST_CELLS


def summed(dice: Mapping[str, Mapping[int, float]], unfinished: int = 0) -> Summary:
    results = [
        Result(group=(("sampler", name),), seed=seed, measures={"dice": value, "mae": 1 - value})
        for name, values in dice.items()
        for seed, value in values.items()
    ]
    waiting = [
        Result(group=(("sampler", next(iter(dice))),), seed=90 + n, measures={}) for n in range(unfinished)
    ]
    return summarise(waiting + results)


def test_a_group_is_summed_up_over_its_finished_seeds() -> None:
    (group,) = summed({"random": {0: 0.6, 1: 0.8}}, unfinished=1).groups
    assert (group.cells, group.dice) == (3, {0: 0.6, 1: 0.8})
    assert (group.measures["dice"].n, group.measures["dice"].mean) == (2, pytest.approx(0.7))
    assert group.measures["dice"].sd == pytest.approx(0.02**0.5)
    assert group.measures["mae"].mean == pytest.approx(0.3)


def test_what_all_seeds_agree_on_is_the_best_although_seeds_differ_more() -> None:
    found = summed({"random": {0: 0.5, 1: 0.7, 2: 0.9}, "volume": {0: 0.551, 1: 0.75, 2: 0.949}})
    assert (found.best, found.groups[0].behind and found.groups[0].behind.n) == (1, 3)
    behind = found.groups[0].behind
    assert behind is not None
    assert behind.low is not None
    assert behind.high is not None
    assert behind.value == pytest.approx(-0.05)
    assert behind.low < behind.value < behind.high < 0
    # As a table of Student's t has it: 4.303 times 0.001 / sqrt(3).
    assert behind.high - behind.value == pytest.approx(4.303 * 0.001 / 3**0.5, rel=1e-3)


def test_what_may_be_luck_is_not_the_best() -> None:
    found = summed({"random": {0: 0.5, 1: 0.7, 2: 0.9}, "volume": {0: 0.6, 1: 0.71, 2: 0.87}})
    assert (found.leading, found.best) == (1, None)
    assert "may be luck" in found.verdict


def test_the_more_groups_the_less_is_proven() -> None:
    pair = {"random": {0: 0.5, 1: 0.7, 2: 0.9}, "volume": {0: 0.541, 1: 0.75, 2: 0.966}}
    assert summed(pair).best == 1
    many = {f"other {n}": values for n in range(8) for values in [pair["random"]]}
    assert summed(pair | many).best is None


@pytest.mark.parametrize(
    "dice",
    [
        {"random": {0: 0.1}, "volume": {0: 0.9}},
        {"random": {0: 0.1, 1: 0.1}, "volume": {2: 0.9, 3: 0.9}},
        {"random": {}, "volume": {0: 0.9, 1: 0.9}},
    ],
)
def test_too_few_seeds_prove_nothing(dice: Mapping[str, Mapping[int, float]]) -> None:
    found = summed(dice, unfinished=1)
    assert (found.leading, found.best) == (1, None)
    assert "two seeds or more" in found.verdict


def test_without_figures_and_without_others_there_is_nothing_to_choose() -> None:
    assert "nothing was measured" in summed({"random": {}}, unfinished=2).verdict
    assert "nothing to compare" in summed({"random": {0: 0.4, 1: 0.5}}).verdict


@pytest.mark.parametrize("form", ["png", "svg"])
def test_a_plot_is_drawn_again_but_over_nothing_else(tmp_path: Path, form: str) -> None:
    found = summed({"random": {0: 0.5, 1: 0.7}, "volume": {0: 0.6, 1: 0.8}})
    out = tmp_path / f"plot.{form}"
    draw(found, {0: [[(1, 0.4), (2, 0.5)]], 1: [[(1, 0.5)]]}, out, "chest")
    drawn = out.read_bytes()
    if form == "png":
        assert cv2.imread(str(out)).shape[1] > 1000
    else:
        assert "<path" in drawn.decode()
    draw(found, {}, out, "chest")
    assert len(out.read_bytes()) < len(drawn), "without curves over the rounds"
    out.write_bytes(b"a picture of the cat")
    with pytest.raises(OutputUnwritable, match="no plot of a matrix"):
        draw(found, {}, out, "chest")
    assert out.read_bytes() == b"a picture of the cat"


def test_a_plot_has_a_form_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="no name for a plot"):
        check_place(tmp_path / "plot.txt")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputUnwritable, match="no plot of a matrix"):
        check_place(tmp_path / "folder.png")
