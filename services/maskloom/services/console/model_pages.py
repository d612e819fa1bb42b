"""The page of the model registry, and what a run's page says of its network there."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from maskloom.pipelines.measures import measure_name
from maskloom.pipelines.registry.comparing import FIGURE, Contender, champion_before, contenders
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import registry
from maskloom.platform.model_facts import Promotion, Stage
from maskloom.services.access.caller import Caller
from maskloom.services.api.runs import run_seen
from maskloom.services.console.intervals import Axis, axis_of, verdict
from maskloom.services.console.page import Pages, Visitor, page_router

_FIGURES = ("mean_dice", "lesion_recall", "sensitivity", "hd95", "false_lesions")
"""What is told of the champion besides its Dice."""


class ModelPages:
    """Shows models."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._platform = platform
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/models", self.every, methods=["GET"])
        router.add_api_route("/models/of-run/{run}", self.of_run, methods=["GET"])
        return router

    def every(self, request: Request, visitor: Visitor, dataset: str = "") -> HTMLResponse:
        """The models of a data set: the champion, who would take its place, and how it came to be it."""
        if dataset:
            visitor.must_be(Role.VIEWER, dataset)
        shown = dataset or self._first(visitor)
        found = contenders(self._platform, shown) if shown else []
        promotions = (
            self._platform.database.transaction(lambda c: registry.promotions(c, shown)) if shown else []
        )
        return self._pages.show(
            "models.html.j2",
            request,
            visitor,
            dataset=shown,
            datasets=visitor.visible(),
            champion=next((one for one in found if one.model.stage is Stage.CHAMPION), None),
            candidates=[one for one in found if one.model.stage is Stage.CANDIDATE],
            archived=[one for one in found if one.model.stage is Stage.ARCHIVED],
            promotions=promotions[::-1],
            before=champion_before(promotions),
            axis=_axis(found, promotions),
            figures=[(name, measure_name(name)) for name in _FIGURES],
            main=FIGURE,
            verdict=verdict,
            may_change=bool(shown) and visitor.role_on(shown) in {Role.LEAD, Role.ADMIN},
        )

    def of_run(self, request: Request, run: str, visitor: Visitor) -> HTMLResponse:
        """What the network of a run is in the registry, for the run's page."""
        found = run_seen(self._platform, visitor, run, Role.VIEWER)
        model = self._platform.database.transaction(lambda c: registry.of_run(c, found.id))
        return self._pages.show(
            "model_of_run.html.j2",
            request,
            visitor,
            run=found,
            model=model,
            may_change=visitor.role_on(found.dataset) in {Role.LEAD, Role.ADMIN},
        )

    def _first(self, visitor: Caller) -> str:
        """The first data set that has models, or the first at all; empty where the visitor sees none."""

        def look(connection: Connection) -> str:
            visible = visitor.visible()
            with_models = (name for name in visible if registry.of_dataset(connection, name))
            return next(with_models, visible[0] if visible else "")

        return self._platform.database.transaction(look)


def _axis(found: list[Contender], promotions: list[Promotion]) -> Axis:
    """One axis for every difference on the page: what is longer is more."""
    compared = [one.comparison.differences for one in found if one.comparison]
    kept = [one.evidence.comparison["differences"] for one in promotions if one.evidence.comparison]
    return axis_of([differences[FIGURE] for differences in (*compared, *kept)])
