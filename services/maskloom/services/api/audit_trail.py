"""The audit trail, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from maskloom.platform.audit_facts import Entry
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit
from maskloom.services.api.gate import Signed
from maskloom.services.api.paging import Limit, Page


class AuditTrail:
    """Answers GET /audit."""

    def __init__(self, platform: Platform) -> None:
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/audit", tags=["audit"])
        router.add_api_route("", self.entries, methods=["GET"])
        return router

    def entries(
        self,
        caller: Signed,
        cursor: Annotated[
            int | None, Query(ge=1, lt=2**63, description="`next` of the answer before.")
        ] = None,
        limit: Limit = 100,
    ) -> Page[Entry]:
        """What was done, newest first."""
        caller.must_be_admin()
        found = self._transaction(lambda c: audit.newest(c, cursor, limit))
        return Page(items=found, next=str(found[-1].number) if len(found) == limit else "")
