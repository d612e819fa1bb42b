"""Reviews: how they stand, what came of each slice, and what leads do with them.

Readers see what was handed to them and their own answers. What others made of a slice, what was decided on it, and which slices
are gold is for leads, as figures on people are: readers who look at each other's answers are one reader.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, desks, review_lists, reviews
from maskloom.platform.errors import UnknownName
from maskloom.platform.review_facts import ItemState, ReviewCounts, ReviewItem
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.moments import Moment
from maskloom.services.api.once import Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.paging import Cursor, Limit, cursor_of, place_of
from maskloom.services.api.problems import refusals
from maskloom.services.api.review_views import ItemView, ReviewView, WorkView

BY_LEAD = "a lead closed it"
ITEM_PLACE: TypeAdapter[tuple[float, str]] = TypeAdapter(tuple[float, str])
_PLACE: TypeAdapter[tuple[datetime, str]] = TypeAdapter(tuple[Moment, str])


class Reviews:
    """Answers below /reviews."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/reviews", tags=["reviews"], responses=refusals(403))
        router.add_api_route("", self.every, methods=["GET"], name="list")
        router.add_api_route("/{review}", self.one, methods=["GET"], name="get")
        router.add_api_route("/{review}/items", self.items, methods=["GET"])
        router.add_api_route("/{review}/close", self.close, methods=["POST"])
        router.add_api_route("/{review}/sync", self.sync, methods=["POST"], status_code=202)
        return router

    def every(
        self,
        caller: Signed,
        run: Annotated[
            str | None, Query(description="Only the reviews that this run has.", examples=["3f9c2a71b0de"])
        ] = None,
        is_open: Annotated[
            bool | None,
            Query(alias="open", description="Only open ones, or only closed ones.", examples=[True]),
        ] = None,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> Page[ReviewView]:
        """The reviews on data sets that you see, newest first."""
        before = place_of(cursor, _PLACE)
        found = self._transaction(
            lambda c: review_lists.page(
                c, caller.visible(), limit=limit, is_open=is_open, run=run, before=before
            )
        )
        last = found[-1] if len(found) == limit else None
        return Page(
            items=[review_view(one, caller) for one in found],
            next=cursor_of((last.opened_at, last.id)) if last else "",
        )

    def one(self, review: str, caller: Signed) -> ReviewView:
        """A review."""
        return review_view(review_seen(self._platform, caller, review, Role.VIEWER), caller)

    def items(
        self,
        review: str,
        caller: Signed,
        state: Annotated[ItemState | None, Query(description="Only slices in this state.")] = None,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> Page[ItemView]:
        """The slices of a review, the least certain first. Leads have all of them, readers those that are theirs."""
        found = review_seen(self._platform, caller, review, Role.READER)
        after = place_of(cursor, ITEM_PLACE)
        shown = self._transaction(
            lambda c: review_lists.items(
                c, found.id, reader=caller.reads_as(found.dataset), state=state, after=after, limit=limit
            )
        )
        return Page(
            items=[ItemView.model_validate(one, from_attributes=True) for one in shown],
            next=cursor_of(place_of_item(shown[-1])) if len(shown) == limit else "",
        )

    def close(self, review: str, caller: Signed, once: Repeatable) -> ReviewView:
        """Close a review. Its run goes on with what is there, and later answers enter a later round."""
        found = review_seen(self._platform, caller, review, Role.LEAD)

        def do(connection: Connection) -> ReviewView:
            if reviews.close(connection, found.id, BY_LEAD):
                audit.append(connection, _act(caller, "review.closed", found))
            closed = review_lists.find(connection, found.id, [found.dataset])
            return review_view(closed or found, caller)

        return once.answer(ReviewView, do)

    def sync(self, review: str, caller: Signed, once: Repeatable) -> ReviewView:
        """Have everything carried out to the readers of a run and back at once.

        Whoever attends to its reviews (`maskloom serve`, the bridge, or the run's own process) does so within seconds; they do
        so by themselves for what is new.
        """
        found = review_seen(self._platform, caller, review, Role.LEAD)

        def do(connection: Connection) -> ReviewView:
            desks.request(connection, found.run)
            audit.append(connection, _act(caller, "review.synced", found))
            return review_view(found, caller)

        return once.answer(ReviewView, do)


def _act(caller: Caller, action: str, review: ReviewCounts) -> Act:
    return caller.act(action, review.run, dataset=review.dataset, review=review.id, round=review.round)


def review_seen(platform: Platform, caller: Caller, review: str, role: Role) -> ReviewCounts:
    """The review of that id. Raises UnknownName where the caller does not see its data set, NotAllowed without `role` on it."""
    found = platform.database.transaction(lambda c: review_lists.find(c, review, caller.visible()))
    if found is None:
        raise UnknownName(
            f"there is no review {review[:12]!r}", hint="You see those that `GET /api/v1/reviews` lists."
        )
    caller.must_be(role, found.dataset)
    return found


def review_view(one: ReviewCounts, caller: Caller) -> ReviewView:
    """A review as the caller may see it."""
    is_lead = caller.reads_as(one.dataset) is None
    work = WorkView.model_validate(one, from_attributes=True) if is_lead else None
    fields = {name: getattr(one, name) for name in ReviewView.model_fields if name != "work"}
    return ReviewView(**fields, work=work)


def place_of_item(one: ReviewItem) -> tuple[float, str]:
    """Where a slice stands in lists of its review."""
    return one.doubt, one.slice
