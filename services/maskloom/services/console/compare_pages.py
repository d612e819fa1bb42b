"""The page that shows two runs beside each other."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from maskloom.pipelines.differences import Comparer
from maskloom.pipelines.measures import in_order, measure_name
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import run_lists
from maskloom.services.api.comparisons import PLACE, comparable
from maskloom.services.api.paging import Cursor, cursor_of, place_of
from maskloom.services.api.views import RunRecord
from maskloom.services.console.page import Pages, Visitor, page_router
from maskloom.services.records import run_record

_PORTION = 24
_CHOICE = 100


class ComparePages:
    """Shows two runs beside each other."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._platform = platform
        self._pages = pages
        self._comparer = Comparer(platform)

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/compare", self.compare, methods=["GET"])
        return router

    def compare(
        self,
        request: Request,
        visitor: Visitor,
        a: str = "",
        b: str = "",
        run: Annotated[tuple[str, ...], Query(max_length=50)] = (),
        cursor: Cursor = "",
    ) -> HTMLResponse:
        """Two runs beside each other; without two, the choice of them. `run`: as the list of runs names those ticked."""
        if len(run) == 2:
            named = urlencode({"a": run[0], "b": run[1]})
            raise HTTPException(303, "as a comparison is named", {"Location": f"/compare?{named}"})
        choice = self._platform.database.transaction(
            lambda c: run_lists.page(c, visitor.visible(), None, _CHOICE)
        )
        chosen = {"a": a, "b": b}
        if not a or not b:
            return self._pages.show(
                "compare.html.j2", request, visitor, choice=choice, chosen=chosen, found=None
            )
        first, second = comparable(self._platform, visitor, a, b)
        found, after = self._comparer.compare(first, second), place_of(cursor, PLACE) or 0
        records = [run_record(self._platform, one) for one in (first, second)]
        return self._pages.show(
            "compare.html.j2",
            request,
            visitor,
            choice=choice,
            chosen=chosen,
            found=found,
            dataset=first.dataset,
            records=records,
            measures=_measures(records),
            slices=found.slices[after : after + _PORTION],
            after=after,
            next=cursor_of(after + _PORTION) if after + _PORTION < len(found.slices) else "",
        )


def _measures(records: list[RunRecord]) -> list[tuple[str, list[dict[str, float] | None]]]:
    """(name, [value, low and high of each run]) of what was measured of either's network on the test split."""
    keys = in_order({key for record in records for key in record["measures"]})
    return [(measure_name(key), [record["measures"].get(key) for record in records]) for key in keys]
