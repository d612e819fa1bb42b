"""Two runs beside each other: where their masks differ most."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, TypeAdapter

from maskloom.pipelines.differences import Comparer
from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import SettingsError
from maskloom.platform.run_facts import Run
from maskloom.services.access.caller import Caller
from maskloom.services.api.course_views import DifferencesView, DifferenceView
from maskloom.services.api.gate import Signed
from maskloom.services.api.paging import Cursor, Limit, cursor_of, place_of
from maskloom.services.api.problems import refusals
from maskloom.services.api.runs import run_seen

PLACE: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, lt=2**30)])
RunId = Annotated[str, Query(max_length=64, description="A run's whole id.", examples=["3f9c2a71b0de"])]


class Comparisons:
    """Answers GET /comparisons."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._comparer = Comparer(platform)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/comparisons", tags=["comparisons"], responses=refusals(404))
        router.add_api_route("", self.compare, methods=["GET"], name="compare")
        return router

    def compare(
        self, a: RunId, b: RunId, caller: Signed, cursor: Cursor = "", limit: Limit = 50
    ) -> DifferencesView:
        """Where the masks of two runs on one data set differ most. Looked at are those slices that the catalog says may."""
        first, second = comparable(self._platform, caller, a, b)
        found, after = self._comparer.compare(first, second), place_of(cursor, PLACE) or 0
        shown = found.slices[after : after + limit]
        more = after + limit < len(found.slices)
        return DifferencesView(
            items=[DifferenceView.model_validate(one, from_attributes=True) for one in shown],
            next=cursor_of(after + limit) if more else "",
            common=found.common,
            differing=found.differing,
            compared=len(found.slices),
        )


def comparable(platform: Platform, caller: Caller, a: str, b: str) -> tuple[Run, Run]:
    """Two runs that the caller sees, of one data set. Raises UnknownName, or SettingsError for runs of two data sets."""
    first, second = (run_seen(platform, caller, one, Role.VIEWER) for one in (a, b))
    if first.dataset != second.dataset:
        raise SettingsError(
            f"run {first.id} is on data set {first.dataset!r}, and run {second.id} on {second.dataset!r}",
            hint="Compare runs of one data set: only they have labelled the same slices.",
        )
    return first, second
