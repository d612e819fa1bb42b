"""Recipes: what can be run."""

from __future__ import annotations

from fastapi import APIRouter

from maskloom.platform.bootstrap import Platform
from maskloom.services.api.gate import Signed
from maskloom.services.api.page import Page
from maskloom.services.api.views import RecipeView
from maskloom.services.recipe_book import every_recipe


class Recipes:
    """Answers GET /recipes."""

    def __init__(self, _platform: Platform) -> None:
        pass

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/recipes", tags=["recipes"])
        router.add_api_route("", self.every, methods=["GET"], name="list")
        return router

    def every(self, _caller: Signed) -> Page[RecipeView]:
        """The recipes, with every value that a run can change."""
        return Page(items=every_recipe())
