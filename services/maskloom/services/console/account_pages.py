"""The page of accounts, for admins: who there is, and who may do what on which data set."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from maskloom.platform.account_facts import Account, Role, WaysIn
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts, identities, slices
from maskloom.services.console.page import Pages, Visitor, page_router

_GRANTED = (Role.VIEWER, Role.READER, Role.LEAD)


class AccountPages:
    """Shows accounts."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._transaction = platform.database.transaction
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/accounts", self.every, methods=["GET"])
        return router

    def every(self, request: Request, visitor: Visitor) -> HTMLResponse:
        """All accounts, with their role on each data set."""
        visitor.must_be_admin()
        everyone, ways, datasets = self._transaction(_look)
        return self._pages.show(
            "accounts.html.j2",
            request,
            visitor,
            accounts=everyone,
            ways=ways,
            datasets=datasets,
            granted=_GRANTED,
        )


def _look(connection: Connection) -> tuple[list[Account], dict[str, WaysIn], list[str]]:
    return accounts.everyone(connection), identities.ways_in(connection), slices.dataset_names(connection)
