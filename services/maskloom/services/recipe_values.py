"""The values of a recipe in words: what each is, and what it can be, as `maskloom recipes` and the console tell it."""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from maskloom.pipelines import recipes
from maskloom.pipelines.recipes import Recipe
from maskloom.services.words import written

_NO_LIMIT = 1e6
"""A number from which nobody needs to know that there is a largest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeValue:
    """One value. `written`: as `--set` takes it; `can_be`: for a person; `choices`: where it is one of few words.

    `is_list`: it is written as a JSON list; `is_optional`: it can be null, for none.
    """

    key: str
    written: str
    can_be: str
    choices: tuple[str, ...]
    is_list: bool
    is_optional: bool


def described(recipe: Recipe) -> list[RecipeValue]:
    """Every value that `--set` knows, in the recipe's order."""
    return [_described(recipe, key, value) for key, value in recipes.values(recipe).items()]


def _described(recipe: Recipe, key: str, value: Any) -> RecipeValue:
    *path, name = key.split(".")
    hint = get_type_hints(type(reduce(getattr, path, recipe)))[name]
    kinds = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    return RecipeValue(
        key=key,
        written=written(value),
        can_be=_words(hint) + _range(key),
        choices=_choices(hint),
        is_list=any(get_origin(kind) is tuple for kind in kinds),
        is_optional=type(None) in kinds,
    )


def _choices(hint: Any) -> tuple[str, ...]:
    if hint is bool:
        return ("true", "false")
    return tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()


def _range(key: str) -> str:
    bounds = recipes.range_of(key)
    if bounds is None:
        return ""
    low, high = bounds
    return f", {low:g} or more" if high >= _NO_LIMIT else f", {low:g} to {high:g}"


def _words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join(_words(choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {_words(get_args(hint)[0])}s"
    known = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "null"}
    return known.get(hint, str(hint))
