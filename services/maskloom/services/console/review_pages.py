"""Pages of reviews: who has how much to read, what waits for a decision, and what came of each slice."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import review_lists
from maskloom.platform.review_facts import ItemState, ReviewCounts, ReviewItem
from maskloom.services.access.caller import Caller
from maskloom.services.api.paging import Cursor, cursor_of, place_of
from maskloom.services.api.readers import Readings, queues_seen
from maskloom.services.api.reviews import ITEM_PLACE, place_of_item, review_seen
from maskloom.services.api.runs import run_seen
from maskloom.services.console.page import Pages, Visitor, page_router

_MOST_REVIEWS = 100
_MOST_CLOSED = 20
_CASES = 30


class ReviewPages:
    """Shows reviews."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._platform = platform
        self._pages = pages
        self._readings = Readings(platform)

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/reviews", self.every, methods=["GET"])
        router.add_api_route("/reviews/{review}", self.one, methods=["GET"])
        router.add_api_route("/runs/{run}/readers", self.agreement, methods=["GET"])
        return router

    def every(self, request: Request, visitor: Visitor) -> HTMLResponse:
        """Who has how much to read, and the reviews, the open ones first."""

        def look(connection: Connection) -> tuple[list[ReviewCounts], list[ReviewCounts]]:
            seen = visitor.visible()
            return (
                review_lists.page(connection, seen, limit=_MOST_REVIEWS, is_open=True),
                review_lists.page(connection, seen, limit=_MOST_CLOSED, is_open=False),
            )

        still_open, closed = self._platform.database.transaction(look)
        queues = queues_seen(self._platform, visitor)
        led = set(visitor.visible_as(Role.LEAD))
        return self._pages.show(
            "reviews.html.j2",
            request,
            visitor,
            open=still_open,
            closed=closed,
            own=[one for one in queues if one.reader == visitor.account.name],
            queues=[one for one in queues if one.dataset in led],
            led=led,
            compared=list(dict.fromkeys(one.run for one in (*still_open, *closed) if one.dataset in led)),
            now=datetime.now(UTC),
        )

    def one(
        self,
        request: Request,
        review: str,
        visitor: Visitor,
        state: ItemState | None = None,
        cursor: Cursor = "",
    ) -> HTMLResponse:
        """A review with its slices, the least certain first: to a reader those that are theirs."""
        found = review_seen(self._platform, visitor, review, Role.VIEWER)
        reader = visitor.reads_as(found.dataset)
        after = place_of(cursor, ITEM_PLACE)

        def look(connection: Connection) -> tuple[list[ReviewItem], dict[ItemState, int]]:
            if not _reads(visitor, found.dataset):
                return [], {}
            cases = review_lists.items(
                connection, found.id, reader=reader, state=state, after=after, limit=_CASES
            )
            return cases, review_lists.states(connection, found.id, reader=reader)

        cases, states = self._platform.database.transaction(look)
        queues = [one for one in queues_seen(self._platform, visitor, found.run) if one.run == found.run]
        return self._pages.show(
            "review.html.j2",
            request,
            visitor,
            review=found,
            is_lead=reader is None,
            reads=_reads(visitor, found.dataset),
            queues=queues,
            cases=cases,
            states=states,
            state=state,
            cursor=cursor,
            next=cursor_of(place_of_item(cases[-1])) if len(cases) == _CASES else "",
            now=datetime.now(UTC),
        )

    def agreement(self, request: Request, run: str, visitor: Visitor) -> HTMLResponse:
        """How well the readers of a run agree with each other and with experts: a part of other pages."""
        found = run_seen(self._platform, visitor, run, Role.LEAD)
        return self._pages.show(
            "readers.html.j2", request, visitor, run=found.id, summary=self._readings.of_run(found)
        )


def _reads(visitor: Caller, dataset: str) -> bool:
    return dataset in visitor.visible_as(Role.READER)
