"""The recipes as people read of them: each value, and in words what it can be."""

from __future__ import annotations

import types
from functools import reduce
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from maskloom.pipelines import recipes
from maskloom.services.api.views import RecipeView


def every_recipe() -> list[RecipeView]:
    """All that can be run, in the order in which it is told of."""
    return [_view(name, recipe) for name, recipe in recipes.RECIPES.items()]


def _view(name: str, recipe: recipes.Recipe) -> RecipeView:
    values = recipes.values(recipe)
    choices = {key: _choices(recipe, key.split(".")) for key in values}
    return RecipeView(name=name, method=recipe.method, values=values, choices=choices)


def _choices(recipe: recipes.Recipe, path: list[str]) -> str:
    record = reduce(getattr, path[:-1], recipe)
    return _words(get_type_hints(type(record))[path[-1]])


def _words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join(_words(choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {_words(get_args(hint)[0])}s"
    known = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "null"}
    return known.get(hint, str(hint))
