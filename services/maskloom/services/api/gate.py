"""The gate: every request but those of `PUBLIC` comes from an account, by a token or by the session of a browser."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from maskloom.platform.bootstrap import Platform
from maskloom.services.access import signing_in, tokens
from maskloom.services.access.caller import Caller
from maskloom.services.errors import NotAllowed, NotSignedIn

COOKIE = "maskloom_session"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_COOKIE_SCHEME = APIKeyCookie(name=COOKIE, auto_error=False, description="What signing in sets.")
_TOKEN_SCHEME = HTTPBearer(auto_error=False, description="A token: mlm_ID_SECRET.")


def who(
    request: Request,
    _described_cookie: Annotated[str | None, Security(_COOKIE_SCHEME)],
    _described_token: Annotated[object | None, Security(_TOKEN_SCHEME)],
) -> Caller:
    """The caller of a request, as `who_asks` has it; the others describe how they come in."""
    return who_asks(request)


def who_asks(request: Request) -> Caller:
    """The caller of a request. Raises NotSignedIn, and NotAllowed for a change that another site's page may have sent."""
    platform: Platform = request.app.state.platform
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme:
        caller = tokens.caller_of(platform, text, address_of(request)) if scheme.lower() == "bearer" else None
    else:
        caller = _of_session(request, platform)
    return _somebody(caller)


def of_browser(request: Request) -> Caller:
    """The caller of a page, by the session alone. Raises NotSignedIn."""
    return _somebody(_of_session(request, request.app.state.platform))


def _somebody(caller: Caller | None) -> Caller:
    if caller is None:
        raise NotSignedIn("sign in first", hint="POST /api/v1/session, or send a token that has not expired.")
    return caller


def _of_session(request: Request, platform: Platform) -> Caller | None:
    secret = request.cookies.get(COOKIE, "")
    account = signing_in.of_session(platform, secret) if secret else None
    if account is None:
        return None
    given = request.headers.get(CSRF_HEADER, "")
    wanted = signing_in.csrf_token(secret)
    # Headers come as any latin-1 characters, of which strings cannot be compared in constant time.
    if request.method not in _SAFE and not hmac.compare_digest(
        given.encode(errors="replace"), wanted.encode()
    ):
        raise NotAllowed(
            f"the header {CSRF_HEADER} is missing or wrong", hint="Its value comes with `GET /api/v1/me`."
        )
    return Caller(account=account, via="session", address=address_of(request))


def address_of(request: Request) -> str:
    """From where a request comes."""
    return request.client.host if request.client else "nowhere"


Signed = Annotated[Caller, Security(who)]
