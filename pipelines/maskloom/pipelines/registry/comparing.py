"""What speaks for a model, and what against: its measures on the test split, in pairs with those of the champion.

Two networks are compared only where both were measured on the same slices with the same expert masks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from sqlalchemy import Connection

from maskloom.models.bootstrap import paired_difference
from maskloom.models.slice_measures import SliceMeasures
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import registry
from maskloom.platform.errors import UnknownName
from maskloom.platform.model_facts import Grounds, Measurement, Model, Promotion, Stage
from maskloom.platform.objects.store import ObjectStore

FIGURE = "dice"
"""The measure by which a network has to be better than the champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """By how much a network's measures exceed another's on so many `slices`: each as {value, low, high, p}."""

    slices: int
    differences: dict[str, dict[str, float]]

    @property
    def better(self) -> bool:
        """Whether the whole interval of the difference is above 0."""
        return self.differences[FIGURE]["low"] > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a model cannot be promoted for its measures, and what to do about it."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A model beside the champion of its data set (None before the first).

    `comparison` is None where there is nothing to compare with, or the two cannot be compared. `obstacle` is None where the
    model is the champion, or can be promoted without an override.
    """

    model: Model
    measurement: Measurement | None
    champion: Model | None
    champion_measurement: Measurement | None
    comparison: Comparison | None
    obstacle: Obstacle | None


def contenders(platform: Platform, dataset: str) -> list[Contender]:
    """The models of a data set, newest first."""

    def look(connection: Connection) -> tuple[list[Model], dict[str, Measurement]]:
        found = registry.of_dataset(connection, dataset)
        return found, registry.measurements(connection, dataset, [model.name for model in found])

    found, measured = platform.database.transaction(look)
    champion = next((model for model in found if model.stage is Stage.CHAMPION), None)
    return [_contender(platform.objects, model, champion, measured) for model in found]


def contender(connection: Connection, objects: ObjectStore, dataset: str, name: str) -> Contender:
    """The model of that name; `objects` has its measures slice by slice. Raises UnknownName."""
    model, champion = known(connection, dataset, name), registry.champion(connection, dataset)
    names = [name, champion.name] if champion else [name]
    return _contender(objects, model, champion, registry.measurements(connection, dataset, names))


def known(connection: Connection, dataset: str, name: str) -> Model:
    """The model of that name. Raises UnknownName."""
    model = registry.find(connection, dataset, name)
    if model is None:
        names = ", ".join(one.name for one in registry.of_dataset(connection, dataset)[:5])
        raise UnknownName(
            f"data set {dataset!r} has no model {name[:64]!r}",
            hint=f"Its newest models: {names}."
            if names
            else "Give a finished run's network a name: maskloom models register RUN --name NAME.",
        )
    return model


def champion_before(promotions: Sequence[Promotion]) -> str | None:
    """The model to which a data set goes back from its champion; `promotions` are all of it, oldest first."""
    reigns: list[str] = []
    for promotion in promotions:
        if promotion.evidence.grounds is Grounds.ROLLBACK:
            reigns.pop()
        else:
            reigns.append(promotion.model)
    return reigns[-2] if len(reigns) > 1 else None


def _contender(
    objects: ObjectStore, model: Model, champion: Model | None, measured: dict[str, Measurement]
) -> Contender:
    own = measured.get(model.name)
    others = measured.get(champion.name) if champion else None
    comparison = None
    if champion and champion.name != model.name and own and others and own.slice_set == others.slice_set:
        comparison = _compared(objects.get, own.details, others.details)
    return Contender(
        model=model,
        measurement=own,
        champion=champion,
        champion_measurement=others,
        comparison=comparison,
        obstacle=_obstacle(model, champion, own, others, comparison),
    )


def _obstacle(
    model: Model,
    champion: Model | None,
    own: Measurement | None,
    others: Measurement | None,
    comparison: Comparison | None,
) -> Obstacle | None:
    if model.stage is Stage.CHAMPION:
        return None
    unmeasured = model if own is None else champion if others is None else None
    if unmeasured is not None:
        return Obstacle(
            message=f"{unmeasured.name} was never measured on the test split of data set {model.dataset!r}",
            hint=f"Measure it: `{_evaluating(unmeasured)}`.",
        )
    if champion is None or own is None or others is None:
        return None
    if comparison is None:
        return Obstacle(
            message=f"{model.name} and the champion {champion.name} were not measured on the same slices "
            f"({own.slices} and {others.slices}, or other expert masks)",
            hint=f"Measure both on the test split of today: `{_evaluating(model)}` and `{_evaluating(champion)}`.",
        )
    if comparison.better:
        return None
    dice = comparison.differences[FIGURE]
    return Obstacle(
        message=f"{model.name} has not been shown to be better than the champion {champion.name}: its Dice differs by "
        f"{dice['value']:+.3f} ({dice['low']:+.3f} to {dice['high']:+.3f}) on {comparison.slices} test slices",
        hint="A lead can promote it all the same, and has to say why.",
    )


def _evaluating(model: Model) -> str:
    return f"maskloom evaluate {model.run} --dataset {model.dataset}"


@lru_cache(maxsize=1024)
def _compared(get: Callable[[str], bytes], details: str, details_before: str) -> Comparison:
    """Compare two networks by the blobs of their measures, slice by slice. Kept, since blobs never change."""
    first, second = (
        {row.pop("slice"): SliceMeasures(**row) for row in json.loads(get(digest))}
        for digest in (details, details_before)
    )
    differences = paired_difference(list(first.values()), [second[slice_] for slice_ in first], seed=0)
    return Comparison(
        slices=len(first), differences={name: asdict(difference) for name, difference in differences.items()}
    )
