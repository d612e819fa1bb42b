"""Accounts, for admins."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from maskloom.platform.account_facts import Account
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts as queries
from maskloom.services.access import accounts
from maskloom.services.api.gate import Signed
from maskloom.services.api.once import Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.problems import refusals
from maskloom.services.api.views import AccountState, Grant, Link, NewAccount


class Administration:
    """Answers below /accounts."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/accounts", tags=["accounts"], responses=refusals(403))
        router.add_api_route("", self.every, methods=["GET"], name="list")
        router.add_api_route("", self.add, methods=["POST"], status_code=201)
        router.add_api_route("/{account}", self.change, methods=["PUT"])
        router.add_api_route("/{account}/invitation", self.invite, methods=["POST"], status_code=201)
        router.add_api_route("/{account}/roles/{dataset}", self.grant, methods=["PUT"])
        router.add_api_route("/{account}/roles/{dataset}", self.withdraw, methods=["DELETE"], status_code=204)
        return router

    def every(self, caller: Signed) -> Page[Account]:
        """All accounts, by name."""
        caller.must_be_admin()
        return Page(items=self._platform.database.transaction(queries.everyone))

    def add(self, wanted: NewAccount, request: Request, caller: Signed, once: Repeatable) -> Link:
        """Make an account. Its owner chooses a password with the invitation."""
        caller.must_be_admin()
        secret = once.answer_with_secret(lambda c: accounts.add(c, caller, wanted.name, admin=wanted.admin))
        return self._link(request, secret)

    def invite(self, account: str, request: Request, caller: Signed, once: Repeatable) -> Link:
        """Let the owner of an account choose a new password. Until they do, the old one works."""
        caller.must_be_admin()
        return self._link(request, once.answer_with_secret(lambda c: accounts.invite(c, caller, account)))

    def _link(self, request: Request, secret: str) -> Link:
        base = self._platform.settings.url or str(request.base_url).rstrip("/")
        return Link(secret=secret, url=f"{base}/welcome#{secret}")

    def change(self, account: str, state: AccountState, caller: Signed) -> Account:
        """Make an account an admin or not, and let it in or not."""
        return accounts.change(self._platform, caller, account, admin=state.admin, active=state.active)

    def grant(self, account: str, dataset: str, grant: Grant, caller: Signed) -> Account:
        """Give an account a role on a data set."""
        return accounts.grant(self._platform, caller, account, dataset, grant.role)

    def withdraw(self, account: str, dataset: str, caller: Signed) -> Response:
        """Take an account's role on a data set away."""
        accounts.grant(self._platform, caller, account, dataset, None)
        return Response(status_code=204)
