"""Which runs a matrix has: `seed=0..4,sampler=random,volume` are ten.

A part with `=` begins an axis, one without goes on with the values of the axis before it, and `0..4` is a range of whole
numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from maskloom.pipelines import recipes
from maskloom.pipelines.recipes import Recipe
from maskloom.platform.errors import SettingsError

MOST_CELLS = 1000
SEED, RECIPE = "seed", "recipe"
_SHORT = {"sampler": "sampler.kind", "gate": "gate.kind"}
_LARGEST_SEED = 2**63 - 1
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_COMMA = re.compile(r",(?![^\[\]]*\])")  # not one within a list, as in review.readers=["anna","ben"]
_EXAMPLE = "For instance --matrix seed=0..4,sampler=random,volume."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of a matrix. `values`: what each axis, as it was written, is here."""

    values: dict[str, str]
    name: str
    """The recipe's, before `settings` changed it."""
    settings: tuple[str, ...]
    recipe: Recipe
    seed: int

    @property
    def group(self) -> tuple[tuple[str, str], ...]:
        """What it has in common with its like of other seeds."""
        return tuple((axis, value) for axis, value in self.values.items() if axis != SEED)

    def __str__(self) -> str:
        return in_words(self.values)


def in_words(values: dict[str, str]) -> str:
    """Such as `seed 0, sampler random`."""
    return ", ".join(f"{axis} {value}" for axis, value in values.items())


def cells(written: str, recipe: str | None, settings: Sequence[str]) -> list[Cell]:
    """The cells of a matrix, those that differ by their seed alone side by side.

    In this order they are begun, so that those at work at a time seldom wait for a step that they share.

    Args:
        written: the axes.
        recipe: what all cells do, unless it is an axis.
        settings: what all of them change in it, as `--set` does.

    Raises:
        SettingsError: it cannot be read, an axis or a value does not exist, two cells are the same run, or they are too many.
    """
    axes = _axes(written)
    if (recipe is None) == (RECIPE not in axes):
        raise SettingsError(
            "RECIPE is given, and it is an axis too" if recipe else "no recipe is given",
            hint="Leave one of them out."
            if recipe
            else f"Name one, or make it an axis: recipe={','.join(recipes.RECIPES)}.",
            key="matrix",
        )
    _check_known(axes, axes.get(RECIPE, [recipe or ""]), settings)
    outer = [axis for axis in axes if axis != SEED]
    found: dict[tuple[Recipe, int], Cell] = {}
    for combination in product(*(axes[axis] for axis in outer)):
        for seed in axes.get(SEED, ["0"]):
            chosen = dict(zip(outer, combination, strict=True)) | {SEED: seed}
            cell = _cell(
                {axis: chosen[axis] for axis in axes}, chosen.get(RECIPE, recipe or ""), settings, int(seed)
            )
            twin = found.setdefault((cell.recipe, cell.seed), cell)
            if twin is not cell:
                raise SettingsError(
                    f"{twin} and {cell} are the same run",
                    hint="Leave out what makes no difference.",
                    key="matrix",
                )
    return list(found.values())


def _cell(values: dict[str, str], name: str, settings: Sequence[str], seed: int) -> Cell:
    own = [f"{_key(axis)}={value}" for axis, value in values.items() if axis not in {SEED, RECIPE}]
    changes = (*settings, *own)
    try:
        recipe = recipes.with_settings(recipes.named(name), list(changes))
    except SettingsError as error:
        raise SettingsError(f"{in_words(values)}: {error.message}", hint=error.hint, key="matrix") from None
    return Cell(values=values, name=name, settings=changes, recipe=recipe, seed=seed)


def _key(axis: str) -> str:
    return _SHORT.get(axis, axis)


def _axes(written: str) -> dict[str, list[str]]:
    """The values of each axis as it was written, in their order."""
    axes: dict[str, list[str]] = {}
    axis = ""
    for part in (part.strip() for part in _COMMA.split(written)):
        name, equals, value = (text.strip() for text in part.partition("="))
        if equals:
            axis = name
            if any(_key(axis) == _key(other) for other in axes):
                raise SettingsError(
                    f"the axis {axis} is there twice",
                    hint=f"Write {axis}=A,B with all of its values.",
                    key="matrix",
                )
            axes[axis] = []
        else:
            value = part
        if not axis or not value:
            problem = (
                f"{part!r} belongs to no axis"
                if part and not equals
                else f"--matrix {written!r} has an empty part"
            )
            raise SettingsError(problem, hint=_EXAMPLE, key="matrix")
        for one in _expanded(axis, value):
            if one in axes[axis]:
                raise SettingsError(f"{axis} has {one} twice", hint="Give each value once.", key="matrix")
            axes[axis].append(one)
    number = prod(len(values) for values in axes.values())
    if number > MOST_CELLS:
        raise _too_many(number)
    return axes


def _expanded(axis: str, value: str) -> Iterator[str]:
    """`value`, or each of the range that it is."""
    if ".." in value:
        limits = _RANGE.fullmatch(value)
        if limits is None:
            raise SettingsError(
                f"{axis}={value} is no range", hint="A range is of whole numbers, such as 0..4.", key="matrix"
            )
        first, last = int(limits[1]), int(limits[2])
        if last < first:
            raise SettingsError(
                f"the range {axis}={value} is empty", hint=f"Did you mean {last}..{first}?", key="matrix"
            )
        if last - first >= MOST_CELLS:
            raise _too_many(last - first + 1)
        yield from map(str, range(first, last + 1))
    elif axis == SEED:
        if not value.isdecimal() or int(value) > _LARGEST_SEED:
            raise SettingsError(
                f"seed={value} is no seed",
                hint=f"Seeds are whole numbers from 0 to {_LARGEST_SEED}.",
                key="matrix",
            )
        yield str(int(value))
    else:
        yield value


def _too_many(number: int) -> SettingsError:
    return SettingsError(
        f"the matrix has {number:,} runs or more, and the most is {MOST_CELLS:,}",
        hint="Make it smaller, or several of it: runs that they share are done once.",
        key="matrix",
    )


def _check_known(axes: dict[str, list[str]], names: Sequence[str], settings: Sequence[str]) -> None:
    """That every recipe has what the axes are about, and that nothing else sets it."""
    known = {name: recipes.keys(recipes.named(name)) for name in names}
    anywhere = {key for recipe in recipes.RECIPES.values() for key in recipes.keys(recipe)}
    for axis in axes.keys() - {SEED, RECIPE}:
        if _key(axis) not in anywhere:
            near = recipes.nearest(axis.lower(), [SEED, RECIPE, *_SHORT, *sorted(anywhere)])
            raise SettingsError(
                f"there is no axis {axis!r}",
                hint=near
                or "Axes are seed, recipe, sampler, gate, and all that `maskloom recipes NAME` lists.",
                key="matrix",
            )
        for name, keys in known.items():
            if _key(axis) not in keys:
                raise SettingsError(
                    f"the recipe {name!r} has no {_key(axis)}, which is an axis",
                    hint=f"Run it by itself (--matrix seed=...), or leave {axis} out.",
                    key="matrix",
                )
        if any(setting.partition("=")[0].strip() == _key(axis) for setting in settings):
            raise SettingsError(
                f"{_key(axis)} is an axis, and --set gives it a value as well",
                hint="Leave one of them out.",
                key="matrix",
            )
