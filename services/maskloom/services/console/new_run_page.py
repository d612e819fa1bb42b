"""The page on which leads start runs, and say who is to read their masks."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from maskloom.pipelines import recipes
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts, slices
from maskloom.platform.run_facts import Priority
from maskloom.services.console.page import Pages, Visitor, page_router
from maskloom.services.errors import NotAllowed
from maskloom.services.recipe_values import RecipeValue, described

_USUAL = "semi-inf-net-quick"
_READERS = {
    "review.mode": (
        "Do readers look at masks?",
        "required: each round waits for them; optional: it does not",
    ),
    "review.readers": ("Who reads", "names with commas between; an account finds its queue by its name"),
    "review.readings": ("How many look at each slice", "without seeing each other's masks"),
    "review.budget": (
        "At most, in a round",
        "so many masks (40), or minutes of all readers together (30min)",
    ),
    "review.fraction": ("Share of a round that is shown", "from 0 to 1; the next field says which"),
    "review.order": ("Which first", "the least certain, those that the gate refused, or any"),
    "review.assignment": (
        "Who gets the next slice",
        "each in turn, who has least left, or one reader a volume",
    ),
    "review.deadline_h": ("Closes after hours", "whatever is left then; empty: never by itself"),
    "review.agreement": ("Readers agree from a Dice of", "below it the adjudicator decides"),
    "review.adjudicator": ("Adjudicator", "decides where readers disagree; empty: their consensus does"),
    "review.consensus": ("How their masks are made one", ""),
    "review.gold": (
        "Gold slices for each reader a round",
        "drawn by experts before, and not marked, to see how well they read",
    ),
}
"""What is asked about readers: the title of each value, and a hint."""


class NewRunPage:
    """Shows the form of a new run."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._platform = platform
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/runs/new", self.form, methods=["GET"])
        return router

    def form(
        self,
        request: Request,
        visitor: Visitor,
        recipe: Annotated[str, Query(max_length=100)] = _USUAL,
        dataset: Annotated[str, Query(max_length=200)] = "",
    ) -> HTMLResponse:
        """The form, with the values of a recipe."""
        led = visitor.visible_as(Role.LEAD)
        if not led:
            raise NotAllowed("only the lead of a data set may start runs", hint="Ask an admin for that role.")
        counts, readers = self._platform.database.transaction(
            lambda c: ({name: slices.counts(c, name) for name in led}, accounts.readers(c, led))
        )
        values = {one.key: one for one in described(recipes.named(recipe))}
        others = [one for key, one in values.items() if key not in _READERS]
        return self._pages.show(
            "new_run.html.j2",
            request,
            visitor,
            counts=counts,
            readers=readers,
            chosen=dataset,
            recipe=recipe,
            about=recipes.ABOUT,
            priorities=list(Priority),
            asked=[(values[key], *words) for key, words in _READERS.items() if key in values],
            groups=[
                (name, list(those)) for name, those in groupby(others, lambda one: one.key.split(".")[0])
            ],
            in_field=_in_field,
        )


def _in_field(value: RecipeValue) -> str:
    """A value as people type it: lists with commas, and nothing for none."""
    if value.is_list:
        return ", ".join(map(str, json.loads(value.written)))
    return "" if value.is_optional and value.written == "null" else value.written
