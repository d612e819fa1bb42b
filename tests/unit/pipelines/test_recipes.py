from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from maskloom.pipelines import drive, recipes
from maskloom.platform.errors import SettingsError
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.settings import Settings

if TYPE_CHECKING:
    from maskloom.platform.bootstrap import Platform


def test_the_papers_figures() -> None:
    paper = recipes.RECIPES["semi-inf-net"]
    assert isinstance(paper, recipes.SemiInfNet)
    assert (paper.supervised.epochs, paper.supervised.batch_size, paper.supervised.learning_rate) == (
        100,
        24,
        1e-4,
    )
    assert (paper.supervised.size, paper.supervised.scales, paper.supervised.scale_choice) == (
        352,
        (0.75, 1.0, 1.25),
        "each",
    )
    assert (paper.fine_tune.epochs, paper.fine_tune.batch_size, paper.fine_tune.learning_rate) == (
        10,
        16,
        3e-4,
    )
    assert (paper.sampler.kind, paper.sampler.group_size, paper.gate.kind) == ("random", 5, "none")
    assert paper.network.backbone == "res2net50d"
    assert not paper.prediction.stretch


def test_every_recipe_says_what_it_is_for() -> None:
    assert list(recipes.ABOUT) == list(recipes.RECIPES)


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_survives_storage(name: str) -> None:
    recipe = recipes.RECIPES[name]
    recipes.check(recipe)
    stored = recipes.RECIPE.dump_python(recipe, mode="json")
    assert recipes.RECIPE.validate_python(stored) == recipe
    assert fingerprint(recipes.RECIPE.validate_python(stored)) == fingerprint(recipe)


def test_set_changes_one_value_and_keeps_its_type() -> None:
    recipe = recipes.with_settings(
        recipes.named("semi-inf-net"),
        [
            "gate.kind=area",
            "fine_tune.learning_rate=1",
            "fine_tune.scales=[1.0]",
            "fine_tune.augment.gamma=1.5",
        ],
    )
    assert isinstance(recipe, recipes.SemiInfNet)
    assert recipe.gate.kind == "area"
    assert recipe.fine_tune.scales == (1.0,)
    assert recipe.fine_tune.augment.gamma == 1.5
    assert isinstance(recipe.fine_tune.learning_rate, float)  # 1 and 1.0 must be the same step
    assert recipe.supervised == recipes.RECIPES["semi-inf-net"].supervised


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ("fine_tune.learning_rat=1", "fine_tune.learning_rate"),
        ("finetune.epochs=3", "fine_tune.epochs"),
        ("sampler.groupsize=9", "sampler.group_size"),
        ("gate=area", "gate.kind"),
    ],
)
def test_a_wrong_key_is_named_with_the_nearest_right_one(setting: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as error:
        recipes.with_settings(recipes.named("semi-inf-net"), [setting])
    assert setting.partition("=")[0] in error.value.message
    assert nearest in error.value.hint


@pytest.mark.parametrize(
    "setting",
    [
        "gate.kind=nonsense",
        "fine_tune.batch_size=many",
        "fine_tune.batch_size=0",
        "fine_tune.size=100",
        "fine_tune.epochs=null",
        "fine_tune.scales=[]",
        "prediction.size=0",
        "sampler.group_size=0",
        "gate.uncertainty=-0.1",
        "gate.uncertainty=NaN",
        "gate.quantile=0.5",
        "final.learning_rate=Infinity",
        "final.average=1",
        "pretrain.scales=[1.0, -1.0]",
        "supervised.augment.gamma=0",
        "seed",
        "method=supervised",
        "network.backbone.name=x",
    ],
)
def test_a_wrong_value_is_refused(setting: str) -> None:
    with pytest.raises(SettingsError):
        recipes.with_settings(recipes.named("semi-inf-net"), [setting])


def test_a_wrong_recipe_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(SettingsError) as error:
        recipes.named("semi-infnet-quick")
    assert "semi-inf-net-quick" in error.value.hint


@pytest.mark.parametrize(
    ("ray_address", "ray_gpus", "quick", "precision"),
    [
        (None, None, True, "bf16"),
        (None, None, False, "fp32"),
        ("head:6379", None, False, "bf16"),
        ("head:6379", False, False, "fp32"),
        ("head:6379", False, True, "bf16"),
        # The API of a cluster queues runs that it has no part in driving.
        (None, True, False, "bf16"),
        (None, False, False, "fp32"),
    ],
)
def test_what_is_automatic_is_settled_for_where_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    ray_address: str | None,
    ray_gpus: bool | None,
    quick: bool,
    precision: str,
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)  # no GPU
    monkeypatch.setattr(drive, "multiplies_bf16", lambda: quick)
    platform = cast(
        "Platform", SimpleNamespace(settings=Settings(ray_address=ray_address, ray_gpus=ray_gpus))
    )
    settled = recipes.values(drive.settled(recipes.named("semi-inf-net-quick"), platform))
    assert {value for key, value in settled.items() if key.endswith(".precision")} == {precision}
    assert settled["prediction.engine"] in (
        {"torch", "openvino"} if ray_address is None and ray_gpus is None else {"torch"}
    )
    paper = recipes.named("semi-inf-net")
    assert drive.settled(paper, platform) == paper


def test_what_a_run_settled_for_is_no_change() -> None:
    quick = recipes.named("semi-inf-net-quick")
    assert quick.prediction.engine == quick.prediction.precision == quick.supervised.precision == "auto"
    settled = recipes.with_settings(quick, ["prediction.engine=openvino", "supervised.precision=fp32"])
    assert recipes.closest(settled) == ("semi-inf-net-quick", {})
    changed = recipes.with_settings(settled, ["final_labels=refused"])
    assert recipes.closest(changed) == ("semi-inf-net-quick", {"final_labels": "refused"})


def test_a_stage_lasts_for_epochs_or_for_steps_whichever_was_given_last() -> None:
    paper = recipes.named("semi-inf-net")
    assert recipes.stages(paper)["final"].epochs == 100
    shortened = recipes.stages(recipes.with_settings(paper, ["final.steps=5"]))["final"]
    assert (shortened.epochs, shortened.steps) == (None, 5)
    back = recipes.stages(recipes.with_settings(paper, ["final.steps=5", "final.epochs=2"]))["final"]
    assert (back.epochs, back.steps) == (2, None)
