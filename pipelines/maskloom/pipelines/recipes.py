"""All hyper-parameters, as data. A recipe is a frozen value; `--set key=value` makes another one of it.

`semi-inf-net` has the paper's figures (Fan et al., IEEE TMI 39(8), 2020) without the published program's mistakes, which are
options where that makes sense: `bce=published`, `schedule=published`, `epochs_one_short=true`, `prediction.stretch=true`.
`semi-inf-net-quick` and `supervised` are ours, for two CPU cores.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache, reduce
from typing import Any, Literal, get_type_hints

from pydantic import TypeAdapter, ValidationError

from maskloom.models.parameters import (
    AugmentParameters,
    NetworkParameters,
    PredictionParameters,
    TrainingParameters,
)
from maskloom.pipelines.parameters import GateParameters, ReviewParameters, SamplerParameters, check_review
from maskloom.platform.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """Train on the expert masks alone."""

    method: Literal["supervised"] = "supervised"
    network: NetworkParameters = NetworkParameters()
    prediction: PredictionParameters = PredictionParameters()
    supervised: TrainingParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class SemiInfNet:
    """Train on the expert masks, then on rounds of pseudo labels, then finish on the expert masks."""

    method: Literal["semi-inf-net"] = "semi-inf-net"
    network: NetworkParameters = NetworkParameters()
    prediction: PredictionParameters = PredictionParameters()
    supervised: TrainingParameters
    sampler: SamplerParameters = SamplerParameters()
    gate: GateParameters = GateParameters()
    review: ReviewParameters = ReviewParameters()
    fine_tune: TrainingParameters
    pretrain: TrainingParameters
    pretrain_from: Literal["backbone", "rounds"] = "backbone"
    """What pre-training on the pseudo labels starts from: anew (paper), or from the network of the last round, so that few
    steps go a longer way."""
    final: TrainingParameters
    final_labels: Literal["refused", "all"] = "refused"
    """What the finished network labels: the slices whose pseudo label a gate refused, or the whole pool again."""


Recipe = Supervised | SemiInfNet
RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)

_PAPER = TrainingParameters(epochs=100, batch_size=24, learning_rate=1e-4, schedule="step")

_QUICK_AUGMENT = AugmentParameters(
    flip_horizontal=True, flip_vertical=True, gamma=1.4, rotate_degrees=10.0, zoom=0.1
)
_QUICK = TrainingParameters(
    steps=400,
    batch_size=10,
    size=320,
    scale_choice="one",
    optimiser="adamw",
    learning_rate=5e-4,
    weight_decay=1e-4,
    schedule="cosine",
    clip=0.0,
    augment=_QUICK_AUGMENT,
    precision="auto",
)
_QUICK_NETWORK = NetworkParameters(intensity="percentile")
_QUICK_PREDICTION = PredictionParameters(size=320, flip=True, engine="auto", precision="auto")

RECIPES: dict[str, Recipe] = {
    "semi-inf-net": SemiInfNet(
        network=NetworkParameters(backbone="res2net50d"),
        supervised=_PAPER,
        fine_tune=TrainingParameters(epochs=10, batch_size=16, learning_rate=3e-4),
        pretrain=_PAPER,
        final=_PAPER,
    ),
    "semi-inf-net-quick": SemiInfNet(
        network=_QUICK_NETWORK,
        prediction=_QUICK_PREDICTION,
        supervised=_QUICK,
        sampler=SamplerParameters(kind="volume", group_size=400),
        gate=GateParameters(kind="confidence"),
        fine_tune=replace(_QUICK, steps=50, learning_rate=3e-4, expert_repeat=16),
        pretrain=replace(_QUICK, steps=100, learning_rate=3e-4),
        pretrain_from="rounds",
        final=replace(_QUICK, steps=300, average=0.99),
        final_labels="all",
    ),
    "supervised": Supervised(network=_QUICK_NETWORK, prediction=_QUICK_PREDICTION, supervised=_QUICK),
}

ABOUT = {
    "semi-inf-net": "The paper's figures: for GPUs, and hours.",
    "semi-inf-net-quick": "The same method in minutes, on two CPU cores.",
    "supervised": "The expert masks alone, without rounds: what the others are compared with.",
}
"""What each recipe is for."""

_EITHER = {"epochs": "steps", "steps": "epochs"}
"""A stage has one of the two: to give the one takes the other away."""
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("epochs", "steps", "group_size"), (1, 10**9)),
    **dict.fromkeys(("batch_size", "expert_repeat", "channels"), (1, 1024)),
    "size": (32, 4096),
    "scales": (0.1, 4),
    "learning_rate": (1e-9, 1),
    "weight_decay": (0, 1),
    "clip": (0, 1e6),
    "average": (0, 0.99999),
    "uncertainty": (0, 1),
    "quantile": (0, 0.49),
    **dict.fromkeys(("fraction", "agreement"), (0, 1)),
    "readings": (1, 9),
    "gold": (0, 1000),
    "deadline_h": (0.01, 10_000),
    "gamma": (1, 10),
    "brightness": (0, 1),
    "contrast": (0, 1),
    "rotate_degrees": (0, 180),
    "zoom": (0, 0.9),
}
"""The smallest and the largest value, by the last part of a key."""


def named(name: str) -> Recipe:
    """The recipe called `name`. Raises SettingsError that names the nearest one."""
    if name not in RECIPES:
        raise no_recipe(name, RECIPES)
    return RECIPES[name]


@lru_cache(maxsize=1024)
def stored(recipe: str) -> Recipe:
    """The recipe that somebody has kept as JSON."""
    return RECIPE.validate_json(recipe)


def no_recipe(name: str, known: Collection[str]) -> SettingsError:
    """What to raise for a name that no recipe has of those that are known."""
    return SettingsError(
        f"there is no recipe {name!r}",
        hint=nearest(name, known) or f"Recipes: {', '.join(known)}.",
        key="recipe",
    )


def with_settings(recipe: Recipe, settings: list[str]) -> Recipe:
    """`recipe` with each `key=value` applied, a key like `fine_tune.augment.gamma`.

    Raises SettingsError that names the wrong key and the nearest right one, or what the value should have been.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise SettingsError(
                f"--set {setting!r} has no value", hint="Write --set KEY=VALUE.", key="settings"
            )
        recipe = _with_value(recipe, recipe, key.strip(), key.strip().split("."), value.strip())
    check(recipe)
    return recipe


def keys(recipe: Recipe) -> list[str]:
    """Every key that `--set` knows for this recipe."""
    return [key for key in _keys(recipe, "") if key != "method"]


def values(recipe: Recipe) -> dict[str, Any]:
    """Every key that `--set` knows, with its value in this recipe."""
    return {key: reduce(getattr, key.split("."), recipe) for key in keys(recipe)}


def range_of(key: str) -> tuple[float, float] | None:
    """The smallest and the largest number that a value can be; None where there is no limit."""
    return _RANGES.get(key.rpartition(".")[2])


def closest(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    """The name of the recipe that `recipe` was made of, and the values that `--set` gave it.

    What a run has settled for in place of `auto` is no change.
    """
    own = values(recipe)
    alike = {name: values(known) for name, known in RECIPES.items() if type(known) is type(recipe)}
    changes = {
        name: {key: value for key, value in own.items() if known[key] not in {value, "auto"}}
        for name, known in alike.items()
    }
    return min(changes.items(), key=lambda change: len(change[1]))


def check(recipe: Recipe) -> None:
    """Raise SettingsError when a value is out of its range, or values do not go together."""
    for key, value in values(recipe).items():
        low, high = range_of(key) or (-math.inf, math.inf)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and not low <= number <= high:  # NaN is in no range
                raise SettingsError(
                    f"{key} is {value}", hint=f"It lies between {low:g} and {high:g}.", key=key
                )
        if key.endswith(".size") and value % 32:
            raise SettingsError(
                f"{key} is {value}", hint="It must be a multiple of 32, such as 352.", key=key
            )
    for stage, training in stages(recipe).items():
        if (training.epochs is None) == (training.steps is None):
            raise SettingsError(
                f"{stage} needs either epochs or steps",
                hint=f"For instance --set {stage}.steps=400.",
                key=f"{stage}.steps",
            )
        if not training.scales:
            raise SettingsError(
                f"{stage}.scales is empty", hint="Without other scales it is [1.0].", key=f"{stage}.scales"
            )
    if isinstance(recipe, SemiInfNet):
        check_review(recipe.review)


def stages(recipe: Recipe) -> dict[str, TrainingParameters]:
    """The training stages of a recipe by name."""
    return {
        field.name: value
        for field in fields(recipe)
        if isinstance(value := getattr(recipe, field.name), TrainingParameters)
    }


def _with_value(root: Recipe, record: Any, key: str, path: list[str], value: str) -> Any:
    name, rest = path[0], path[1:]
    names = {field.name for field in fields(record)} - {"method"}
    if name not in names or bool(rest) != is_dataclass(getattr(record, name)):
        raise SettingsError(
            f"the recipe has no value {key!r}",
            hint=nearest(key.lower(), keys(root)) or "`maskloom recipes NAME` lists all that a recipe has.",
            key="settings",
        )
    if rest:
        return replace(record, **{name: _with_value(root, getattr(record, name), key, rest, value)})
    wanted = get_type_hints(type(record))[name]
    try:
        changes = {name: TypeAdapter(wanted).validate_python(_parsed(value))}
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise SettingsError(
            f"--set {key}={value}: {problem}", hint=f"It is {getattr(record, name)!r} now.", key=key
        ) from None
    if name in _EITHER and changes[name] is not None:
        changes[_EITHER[name]] = None
    return replace(record, **changes)


def _parsed(value: str) -> Any:
    """`value` as JSON where it is JSON (numbers, true, null, lists), else as the word it is."""
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _keys(record: Any, prefix: str) -> list[str]:
    found: list[str] = []
    for field in fields(record):
        value = getattr(record, field.name)
        found += _keys(value, f"{prefix}{field.name}.") if is_dataclass(value) else [prefix + field.name]
    return found


def nearest(word: str, words: Collection[str]) -> str:
    """A question that names the word most like `word`; empty where none is."""
    match = difflib.get_close_matches(word, list(words), n=1, cutoff=0.4)
    return f"Did you mean {match[0]!r}?" if match else ""
