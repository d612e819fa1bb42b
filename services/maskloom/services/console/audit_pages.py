"""The page of the audit trail, for admins."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator
from sqlalchemy import Connection

from maskloom.platform.audit_facts import Entry, Sought
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts, audit, slices
from maskloom.services.api.audit_trail import Before, verified
from maskloom.services.console.page import Pages, Visitor, page_router

_PORTION = 50
_Text = Annotated[str, Query(max_length=200)]
_Day = Annotated[date | None, BeforeValidator(lambda given: given or None)]
"""A field that is left empty is sent as one that is."""


class AuditPages:
    """Shows what was done."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._transaction = platform.database.transaction
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/audit", self.trail, methods=["GET"])
        router.add_api_route("/audit/state", self.state, methods=["GET"])
        return router

    def trail(
        self,
        request: Request,
        visitor: Visitor,
        who: _Text = "",
        action: _Text = "",
        dataset: _Text = "",
        since: _Day = None,
        until: _Day = None,
        cursor: Before = None,
    ) -> HTMLResponse:
        """The newest entries of those that are sought."""
        visitor.must_be_admin()
        wanted = Sought(
            who=who or None,
            action=action or None,
            dataset=dataset or None,
            since=_start(since),
            until=_start(until + timedelta(days=1)) if until and until < date.max else None,
        )

        def look(connection: Connection) -> tuple[list[Entry], dict[str, list[str]]]:
            actions = audit.actions(connection)
            names = {
                "people": [account.name for account in accounts.everyone(connection)],
                "actions": sorted({*actions, *(action.partition(".")[0] for action in actions)}),
                "datasets": slices.dataset_names(connection),
            }
            return audit.newest(connection, cursor, _PORTION, wanted), names

        found, names = self._transaction(look)
        given = {"who": who, "action": action, "dataset": dataset, "since": since, "until": until}
        return self._pages.show(
            "audit.html.j2",
            request,
            visitor,
            entries=found,
            given={name: value or "" for name, value in given.items()},
            query=urlencode({name: value for name, value in given.items() if value}),
            table=urlencode({name: value for name, value in _asked(wanted).items() if value is not None}),
            first=cursor is None,
            next=found[-1].number if len(found) == _PORTION else None,
            **names,
        )

    def state(self, request: Request, visitor: Visitor) -> HTMLResponse:
        """Whether the trail is as it was written, to put into the page."""
        visitor.must_be_admin()
        return self._pages.show(
            "audit_state.html.j2",
            request,
            visitor,
            verification=self._transaction(verified),
            at=datetime.now(UTC),
        )


def _start(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _asked(wanted: Sought) -> dict[str, str | None]:
    """What the API is asked for the same entries."""
    return {
        "who": wanted.who,
        "action": wanted.action,
        "dataset": wanted.dataset,
        "since": wanted.since.isoformat() if wanted.since else None,
        "until": wanted.until.isoformat() if wanted.until else None,
    }
