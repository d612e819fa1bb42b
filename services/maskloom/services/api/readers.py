"""Readers: who has how much to read and where, and how well they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import review_lists
from maskloom.platform.review_facts import Queue
from maskloom.platform.run_facts import Run
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.page import Page
from maskloom.services.api.problems import refusals
from maskloom.services.api.review_views import QueueView
from maskloom.services.api.runs import run_seen

if TYPE_CHECKING:
    from maskloom.pipelines.review.summary import ReviewSummary

_MOST_COMPARED = 100_000


class Readers:
    """Answers GET /readers and GET /runs/RUN/review."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._readings = Readings(platform)

    def router(self) -> APIRouter:
        router = APIRouter(tags=["reviews"], responses=refusals(403, 404))
        router.add_api_route("/readers", self.queues, methods=["GET"])
        router.add_api_route("/runs/{run}/review", self.review, methods=["GET"])
        return router

    def queues(
        self,
        caller: Signed,
        run: Annotated[
            str | None,
            Query(
                description="Of this run, instead of those with an open review.", examples=["3f9c2a71b0de"]
            ),
        ] = None,
    ) -> Page[QueueView]:
        """What there is to read, by run and reader. You see every reader's where you are lead, your own where you are reader.

        An account reads as the reader of its name.
        """
        found = queues_seen(self._platform, caller, run)
        return Page(items=[QueueView.model_validate(one, from_attributes=True) for one in found])

    def review(self, run: str, caller: Signed) -> dict[str, Any]:
        """How the reviews of a run stand, and how well its readers agree."""
        found = self._readings.of_run(run_seen(self._platform, caller, run, Role.LEAD))
        summary: dict[str, Any] = TypeAdapter(type(found)).dump_python(found, mode="json")
        return summary


class Readings:
    """How well readers agree, for who asks often: masks that were compared are not compared again."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._compared: dict[Any, Any] = {}

    def of_run(self, run: Run) -> ReviewSummary:
        """How the reviews of a run stand."""
        from maskloom.pipelines.review.summary import summary  # noqa: PLC0415 - seconds that the start need not wait

        if len(self._compared) > _MOST_COMPARED:
            self._compared.clear()
        return summary(self._platform, run, self._compared)


def queues_seen(platform: Platform, caller: Caller, run: str | None = None) -> list[Queue]:
    """The queues that the caller may see: every reader's where they are lead, their own where they are reader."""
    led = caller.visible_as(Role.LEAD)
    read = [name for name in caller.visible_as(Role.READER) if name not in led]

    def look(connection: Connection) -> list[Queue]:
        own = review_lists.queues(connection, read, reader=caller.account.name, run=run) if read else []
        return own + (review_lists.queues(connection, led, run=run) if led else [])

    return platform.database.transaction(look)
