"""Sessions, tokens and accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from maskloom.platform.account_facts import Token
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import credentials
from maskloom.services.access import signing_in, tokens
from maskloom.services.access.throttle import Throttle
from maskloom.services.api.gate import COOKIE, Signed, address_of, refuse_other_sites, set_session
from maskloom.services.api.once import Repeatable
from maskloom.services.api.page import Page
from maskloom.services.api.problems import refusals
from maskloom.services.api.views import Acceptance, Credentials, MadeToken, Me, NewToken
from maskloom.services.errors import NotSignedIn


class People:
    """Answers what people need to come in and to let their programs in."""

    def __init__(self, platform: Platform, throttle: Throttle) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction
        self._throttle = throttle

    def router(self) -> APIRouter:
        router = APIRouter()
        session = APIRouter(tags=["session"])
        coming_in = refusals(401, 429)
        session.add_api_route(
            "/session", self.sign_in, methods=["POST"], status_code=204, responses=coming_in
        )
        session.add_api_route("/session", self.sign_out, methods=["DELETE"], status_code=204)
        session.add_api_route(
            "/invitation", self.accept, methods=["POST"], status_code=204, responses=coming_in
        )
        session.add_api_route("/me", self.me, methods=["GET"])
        router.include_router(session)
        tokens = APIRouter(prefix="/tokens", tags=["tokens"])
        tokens.add_api_route("", self.tokens, methods=["GET"], name="list")
        tokens.add_api_route(
            "", self.make_token, methods=["POST"], status_code=201, responses=refusals(404), name="make"
        )
        tokens.add_api_route(
            "/{token}", self.revoke_token, methods=["DELETE"], status_code=204, name="revoke"
        )
        router.include_router(tokens)
        return router

    def sign_in(self, given: Credentials, request: Request) -> Response:
        """Begin a session; it is in a cookie."""
        refuse_other_sites(request)
        password, address = given.password.get_secret_value(), address_of(request)
        with self._guarded(address, given.account):
            secret = signing_in.sign_in(self._platform, given.account, password, address)
        return _with_session(request, secret)

    def accept(self, given: Acceptance, request: Request) -> Response:
        """Take an invitation: choose a password, and begin a session."""
        refuse_other_sites(request)
        invitation, password = given.secret.get_secret_value(), given.password.get_secret_value()
        address = address_of(request)
        with self._guarded(address, "by invitation"):
            secret = signing_in.accept(self._platform, invitation, given.account, password, address)
        return _with_session(request, secret)

    @contextmanager
    def _guarded(self, address: str, name: str) -> Iterator[None]:
        """Let somebody try to come in, unless they were refused too often."""
        self._throttle.check(address, name)
        try:
            yield
        except NotSignedIn:
            self._throttle.refused(address, name)
            raise

    def sign_out(self, request: Request, caller: Signed) -> Response:
        """End the session."""
        signing_in.sign_out(self._platform, request.cookies.get(COOKIE, ""), caller)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        return response

    def me(self, request: Request, caller: Signed) -> Me:
        """Who you are, and what you may do."""
        return Me(
            account=caller.account.name,
            admin=caller.is_admin,
            roles=caller.account.grants,
            csrf_token=signing_in.csrf_token(request.cookies.get(COOKIE, "")),
        )

    def tokens(self, caller: Signed) -> Page[Token]:
        """Your tokens, without their secrets."""
        return Page(items=self._transaction(lambda c: credentials.tokens_of(c, caller.account.name)))

    def make_token(self, wanted: NewToken, caller: Signed, once: Repeatable) -> MadeToken:
        """Make a token. Its text is in this answer, and nowhere else."""
        token, text = once.answer_with_secret(
            lambda connection: tokens.make(
                connection,
                caller,
                label=wanted.label,
                role=wanted.role,
                dataset=wanted.dataset,
                lifetime=timedelta(days=wanted.days),
            )
        )
        return MadeToken(token=token, text=text)

    def revoke_token(self, token: str, caller: Signed) -> Response:
        """End one of your tokens."""
        tokens.revoke(self._platform, caller, caller.account.name, token)
        return Response(status_code=204)


def _with_session(request: Request, secret: str) -> Response:
    response = Response(status_code=204)
    set_session(request, response, secret)
    return response
