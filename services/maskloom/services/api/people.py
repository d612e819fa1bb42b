"""Sessions, tokens and accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr

from maskloom.platform.account_facts import Role, Token
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import credentials
from maskloom.services.access import signing_in, tokens
from maskloom.services.access.signing_in import NotSignedIn
from maskloom.services.access.throttle import Throttle
from maskloom.services.api.gate import COOKIE, Signed, address_of, refuse_other_sites, set_session
from maskloom.services.api.paging import Page

Password = Annotated[SecretStr, Field(max_length=1000)]


class Credentials(BaseModel):
    """Who signs in."""

    account: str = Field(max_length=200, examples=["ada"])
    password: Password


class Acceptance(BaseModel):
    """What an invitation's link brings: its secret, the password that was chosen, and with the first admin's a name."""

    secret: SecretStr = Field(max_length=200)
    account: str = Field("", max_length=200)
    password: Password


class Me(BaseModel):
    """Who you are."""

    account: str
    admin: bool
    roles: dict[str, Role]
    csrf_token: str = Field(
        description="For the header X-CSRF-Token of each change, where a cookie lets you in."
    )


class NewToken(BaseModel):
    """A token to make: it may do what you may, but never more than `role`, and only on `dataset` where one is named."""

    label: str = Field(min_length=1, max_length=100, examples=["nightly import"])
    role: Role
    dataset: str | None = None
    days: int = Field(90, ge=1, le=tokens.LONGEST.days)


class MadeToken(BaseModel):
    """A token. Its text is shown this once."""

    token: Token
    text: str = Field(examples=["mlm_0123456789abcdef_..."])


class People:
    """Answers what people need to come in and to let their programs in."""

    def __init__(self, platform: Platform, throttle: Throttle) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction
        self._throttle = throttle

    def router(self) -> APIRouter:
        router = APIRouter(tags=["people"])
        router.add_api_route("/session", self.sign_in, methods=["POST"], status_code=204)
        router.add_api_route("/session", self.sign_out, methods=["DELETE"], status_code=204)
        router.add_api_route("/invitation", self.accept, methods=["POST"], status_code=204)
        router.add_api_route("/me", self.me, methods=["GET"])
        router.add_api_route("/tokens", self.tokens, methods=["GET"])
        router.add_api_route("/tokens", self.make_token, methods=["POST"], status_code=201)
        router.add_api_route("/tokens/{token}", self.revoke_token, methods=["DELETE"], status_code=204)
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

    def make_token(self, wanted: NewToken, caller: Signed) -> MadeToken:
        """Make a token. Its text is in this answer, and nowhere else."""
        token, text = tokens.make(
            self._platform,
            caller,
            label=wanted.label,
            role=wanted.role,
            dataset=wanted.dataset,
            lifetime=timedelta(days=wanted.days),
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
