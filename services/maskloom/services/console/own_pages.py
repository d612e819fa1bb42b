"""The page that everybody has of themselves: their roles, tokens, sessions and password."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role, Session, Token, WaysIn
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import credentials, identities
from maskloom.services.access import passwords, tokens
from maskloom.services.api.gate import COOKIE
from maskloom.services.console.page import Pages, Visitor, page_router


class OwnPages:
    """Shows somebody their own account."""

    def __init__(self, platform: Platform, pages: Pages) -> None:
        self._transaction = platform.database.transaction
        self._pages = pages

    def router(self) -> APIRouter:
        router = page_router()
        router.add_api_route("/you", self.you, methods=["GET"])
        return router

    def you(self, request: Request, visitor: Visitor) -> HTMLResponse:
        """Who the visitor is here."""
        name, here = visitor.account.name, passwords.digest_of(request.cookies.get(COOKIE, ""))

        def look(connection: Connection) -> tuple[list[Token], list[Session], WaysIn]:
            return (
                credentials.tokens_of(connection, name),
                credentials.sessions_of(connection, name, here),
                identities.ways_in(connection)[name],
            )

        found, sessions, ways = self._transaction(look)
        return self._pages.show(
            "you.html.j2",
            request,
            visitor,
            tokens=found,
            sessions=sessions,
            ways=ways,
            roles=list(Role) if visitor.is_admin else [role for role in Role if role is not Role.ADMIN],
            longest=tokens.LONGEST.days,
            shortest_password=passwords.SHORTEST,
            longest_password=passwords.LONGEST,
            now=datetime.now(UTC),
        )
