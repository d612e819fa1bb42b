"""The recipes as people read of them: each value, and in words what it can be."""

from __future__ import annotations

from maskloom.pipelines import recipes
from maskloom.services.api.views import RecipeView
from maskloom.services.recipe_values import described


def every_recipe() -> list[RecipeView]:
    """All that can be run, in the order in which it is told of."""
    return [_view(name, recipe) for name, recipe in recipes.RECIPES.items()]


def _view(name: str, recipe: recipes.Recipe) -> RecipeView:
    choices = {value.key: value.can_be for value in described(recipe)}
    return RecipeView(name=name, method=recipe.method, values=recipes.values(recipe), choices=choices)
