"""The audit trail, for admins."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query

from maskloom.platform.audit_facts import Entry, Head
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit
from maskloom.services.api.gate import Signed
from maskloom.services.api.paging import Limit, Page
from maskloom.services.api.problems import refusals
from maskloom.services.api.views import Verification

_NOTED = re.compile(r"^(([1-9][0-9]{0,17}):([0-9a-f]{64}))?$")


class AuditTrail:
    """Answers GET /audit."""

    def __init__(self, platform: Platform) -> None:
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/audit", tags=["audit"], responses=refusals(403))
        router.add_api_route("", self.entries, methods=["GET"], name="list")
        router.add_api_route("/verification", self.verification, methods=["GET"], name="verify")
        return router

    def entries(
        self,
        caller: Signed,
        cursor: Annotated[
            int | None, Query(ge=1, lt=2**63, description="`next` of the answer before.", examples=[101])
        ] = None,
        limit: Limit = 100,
    ) -> Page[Entry]:
        """What was done, newest first."""
        caller.must_be_admin()
        found = self._transaction(lambda c: audit.newest(c, cursor, limit))
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
        found = self._transaction(lambda c: audit.verify(c, head))
        return Verification(holds=isinstance(found, Head), found=found)
