"""What people do about their own account: its password, and where they are signed in."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from maskloom.platform.account_facts import Session
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import credentials
from maskloom.services.access import passwords, signing_in
from maskloom.services.access.throttle import Throttle
from maskloom.services.api.gate import COOKIE, Signed, address_of
from maskloom.services.api.page import Page
from maskloom.services.api.views import NewPassword
from maskloom.services.errors import NotAllowed


class OwnAccount:
    """Answers what concerns the account that asks, and no other."""

    def __init__(self, platform: Platform, throttle: Throttle) -> None:
        self._platform = platform
        self._throttle = throttle

    def router(self) -> APIRouter:
        router = APIRouter(tags=["session"])
        router.add_api_route("/me/password", self.change_password, methods=["PUT"], status_code=204)
        router.add_api_route("/sessions", self.sessions, methods=["GET"], name="every")
        router.add_api_route(
            "/sessions", self.end_sessions, methods=["DELETE"], status_code=204, name="end_others"
        )
        return router

    def change_password(self, given: NewPassword, request: Request, caller: Signed) -> Response:
        """Choose another password. Every other session of yours ends."""
        address, name = address_of(request), caller.account.name
        self._throttle.check(address, name)
        try:
            signing_in.change_password(
                self._platform,
                caller,
                request.cookies.get(COOKIE, ""),
                given.old.get_secret_value(),
                given.new.get_secret_value(),
            )
        except NotAllowed:
            self._throttle.refused(address, name)
            raise
        return Response(status_code=204)

    def sessions(self, request: Request, caller: Signed) -> Page[Session]:
        """Where you are signed in, the newest first."""
        here = passwords.digest_of(request.cookies.get(COOKIE, ""))
        return Page(
            items=self._platform.database.transaction(
                lambda c: credentials.sessions_of(c, caller.account.name, here)
            )
        )

    def end_sessions(self, request: Request, caller: Signed) -> Response:
        """End all your sessions but this one."""
        signing_in.sign_out_elsewhere(self._platform, request.cookies.get(COOKIE, ""), caller)
        return Response(status_code=204)
