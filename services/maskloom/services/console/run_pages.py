"""Pages of runs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from maskloom.pipelines import recipes
from maskloom.pipelines.course import rounds_of
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import run_lists
from maskloom.platform.run_facts import RunStatus
from maskloom.services.api.paging import Cursor, cursor_of, place_of
from maskloom.services.api.runs import RUN_PLACE, run_seen
from maskloom.services.console.page import Pages, Visitor, page_router
from maskloom.services.console.steps_taken import steps_taken
from maskloom.services.outlook import outlook
from maskloom.services.records import run_record

_MOST_RUNS = 40


class RunPages:
    """Shows runs."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._platform = platform
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/", self.every, methods=["GET"])
        router.add_api_route("/runs/{run}", self.one, methods=["GET"])
        router.add_api_route("/runs/{run}/steps", self.steps, methods=["GET"])
        return router

    def every(
        self,
        request: Request,
        visitor: Visitor,
        dataset: str = "",
        status: Annotated[RunStatus | Literal[""], Query()] = "",
        cursor: Cursor = "",
    ) -> HTMLResponse:
        """The runs, newest first, a portion at a time."""
        if dataset:
            visitor.must_be(Role.VIEWER, dataset)
        datasets, before = [dataset] if dataset else visitor.visible(), place_of(cursor, RUN_PLACE)
        found = self._platform.database.transaction(
            lambda c: run_lists.page(c, datasets, before, _MOST_RUNS, status or None)
        )
        last = found[-1] if len(found) == _MOST_RUNS else None
        return self._pages.show(
            "runs.html.j2",
            request,
            visitor,
            runs=found,
            rounds_of=lambda run: rounds_of(recipes.stored(run.recipe), run.pool),
            dataset=dataset,
            status=status,
            statuses=list(RunStatus),
            query={"dataset": dataset, "status": status},
            cursor=cursor,
            next=cursor_of((last.created_at, last.id)) if last else "",
        )

    def one(self, request: Request, run: str, visitor: Visitor) -> HTMLResponse:
        """A run: how far it is, what it has done, and how good its network is."""
        found = run_seen(self._platform, visitor, run, Role.VIEWER)
        record = run_record(self._platform, found)
        doing = (record["driver"] or {}).get("doing") or None
        return self._pages.show(
            "run.html.j2",
            request,
            visitor,
            run=record,
            doing=doing,
            outlook=self._platform.database.transaction(lambda c: outlook(c, found, doing))
            if doing
            else None,
            may_change=visitor.role_on(found.dataset) in {Role.LEAD, Role.ADMIN},
        )

    def steps(self, run: str, visitor: Visitor) -> HTMLResponse:
        """What a run has done, step by step: for its page, once somebody unfolds it."""
        found = run_seen(self._platform, visitor, run, Role.VIEWER)
        return self._pages.show("steps.html.j2", steps=steps_taken(self._platform, found))
