"""Pages of data sets and their slices."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, slices
from maskloom.platform.facts import LabelVersion, Slice, Split
from maskloom.services.api.datasets import SLICE_PLACE, place_of_slice, slice_seen
from maskloom.services.api.paging import Cursor, cursor_of, place_of
from maskloom.services.console.page import Pages, Visitor, page_router

_GALLERY = 60


class DatasetPages:
    """Shows data sets."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._platform = platform
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/datasets", self.every, methods=["GET"])
        router.add_api_route("/datasets/{dataset}", self.gallery, methods=["GET"])
        router.add_api_route("/datasets/{dataset}/slices/{digest}", self.slice, methods=["GET"])
        return router

    def every(self, request: Request, visitor: Visitor) -> HTMLResponse:
        """The data sets."""
        counts = self._platform.database.transaction(lambda c: slices.counts_of_each(c, visitor.visible()))
        return self._pages.show("datasets.html.j2", request, visitor, counts=counts, role_on=visitor.role_on)

    def gallery(
        self,
        request: Request,
        dataset: str,
        visitor: Visitor,
        split: Split = Split.LABELLED,
        cursor: Cursor = "",
    ) -> HTMLResponse:
        """The slices of a data set with the masks that count, a split at a time."""
        visitor.must_be(Role.VIEWER, dataset)
        after = place_of(cursor, SLICE_PLACE)

        def look(connection: Connection) -> tuple[list[Slice], dict[str, LabelVersion], dict[Split, int]]:
            found = slices.page(connection, dataset, split, after, _GALLERY)
            drawn = labels.strongest(
                connection, dataset, [one.digest for one in found], visitor.reads_as(dataset)
            )
            return found, drawn, slices.counts(connection, dataset)

        found, drawn, counts = self._platform.database.transaction(look)
        return self._pages.show(
            "gallery.html.j2",
            request,
            visitor,
            dataset=dataset,
            split=split,
            counts=counts,
            slices=found,
            labels=drawn,
            first=not cursor,
            next=cursor_of(place_of_slice(found[-1])) if len(found) == _GALLERY else "",
        )

    def slice(self, request: Request, dataset: str, digest: str, visitor: Visitor) -> HTMLResponse:
        """A slice with every mask that it ever had."""
        found = slice_seen(self._platform, visitor, dataset, digest)

        def look(connection: Connection) -> tuple[list[LabelVersion], tuple[str | None, str | None]]:
            return labels.of_slice(connection, dataset, digest, visitor.reads_as(dataset)), slices.neighbours(
                connection, found
            )

        history, (before, after) = self._platform.database.transaction(look)
        history.sort(key=lambda label: label.kind.precedence)  # the one that counts is the last
        return self._pages.show(
            "slice.html.j2", request, visitor, slice=found, history=history[::-1], before=before, after=after
        )
