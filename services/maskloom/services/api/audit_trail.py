"""The audit trail, for admins: looked through, checked, and taken out as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from maskloom.platform.audit_facts import Entry, Head, Sought
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.moments import Moment
from maskloom.services.api.page import Page
from maskloom.services.api.paging import Limit
from maskloom.services.api.problems import refusals
from maskloom.services.api.views import Verification
from maskloom.services.audit_table import HEADER, line_of

_NOTED = re.compile(r"^(([1-9][0-9]{0,17}):([0-9a-f]{64}))?$")
Before = Annotated[
    int | None, Query(ge=1, lt=2**63, description="`next` of the answer before.", examples=[101])
]
Who = Annotated[str | None, Query(max_length=200, description="The account that did it.", examples=["ada"])]
Dataset = Annotated[
    str | None, Query(max_length=200, description="The data set that it was done to.", examples=["covid"])
]
Since = Annotated[
    Moment | None,
    Query(description="Entries of this time or later.", examples=["2026-11-01T00:00:00Z"]),
]
Until = Annotated[
    Moment | None, Query(description="Entries before this time.", examples=["2026-12-01T00:00:00Z"])
]
_PORTION = 1000
_TABLE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "A line for each entry, oldest first"}
}


def sought(
    who: Who = None,
    action: Annotated[
        str | None,
        Query(max_length=200, description="`run.started`, or `run` for all of that kind.", examples=["run"]),
    ] = None,
    dataset: Dataset = None,
    since: Since = None,
    until: Until = None,
) -> Sought:
    """Which entries a request asks for."""
    return Sought(who=who, action=action, dataset=dataset, since=since, until=until)


Wanted = Annotated[Sought, Depends(sought)]


class AuditTrail:
    """Answers below /audit, and GET /audit.csv."""

    def __init__(self, platform: Platform) -> None:
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(tags=["audit"], responses=refusals(403))
        router.add_api_route("/audit", self.entries, methods=["GET"], name="list")
        router.add_api_route("/audit/verification", self.verification, methods=["GET"], name="verify")
        router.add_api_route(
            "/audit.csv",
            self.table,
            methods=["GET"],
            response_class=StreamingResponse,
            responses=_TABLE,
            name="table",
        )
        return router

    def entries(
        self, caller: Signed, wanted: Wanted, cursor: Before = None, limit: Limit = 100
    ) -> Page[Entry]:
        """What was done, newest first."""
        caller.must_be_admin()
        found = self._transaction(lambda c: audit.newest(c, cursor, limit, wanted))
        return Page(items=found, next=str(found[-1].number) if len(found) == limit else "")

    def verification(
        self,
        caller: Signed,
        noted: Annotated[
            str,
            Query(
                pattern=_NOTED.pattern,
                description="NUMBER:HASH of a head of former days, which must be in the trail.",
                examples=[f"1:{'0' * 64}"],
            ),
        ] = "",
    ) -> Verification:
        """Look whether every entry is as it was written, and in its place."""
        caller.must_be_admin()
        number, _, hash_ = noted.partition(":")
        head = Head(number=int(number or 0), hash=hash_)
        return self._transaction(lambda c: verified(c, head))

    def table(self, caller: Signed, wanted: Wanted) -> StreamingResponse:
        """What was done, as CSV, oldest first. That it was taken out is the last entry that it can have."""
        caller.must_be_admin()
        asked = {name: str(value) for name, value in asdict(wanted).items() if value is not None}
        last = self._transaction(lambda c: _note(c, caller, asked))
        return StreamingResponse(
            self._lines(wanted, last),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
        )

    def _lines(self, wanted: Sought, last: int) -> Iterator[str]:
        yield HEADER
        after = 0
        while True:
            # A transaction for each portion: whoever reads slowly keeps no connection from others.
            found = self._transaction(partial(_portion, after=after, wanted=wanted))
            yield "".join(line_of(entry) for entry in found if entry.number <= last)
            if len(found) < _PORTION or found[-1].number >= last:
                return
            after = found[-1].number


def verified(connection: Connection, noted: Head = audit.EMPTY) -> Verification:
    """Whether the trail is as it was written, and has `noted`, a head of former days."""
    found = audit.verify(connection, noted)
    return Verification(holds=isinstance(found, Head), found=found)


def _note(connection: Connection, caller: Caller, asked: dict[str, str]) -> int:
    """Note that the trail is taken out; the number of that entry."""
    audit.append(connection, caller.act("audit.exported", "audit", sought=asked))
    return audit.head(connection).number


def _portion(connection: Connection, after: int, wanted: Sought) -> list[Entry]:
    return list(audit.entries(connection, after, _PORTION, wanted))
