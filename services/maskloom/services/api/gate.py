"""The gate: every request but those of `PUBLIC` comes from an account, by a token or by the session of a browser."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request, Response, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from maskloom.platform.bootstrap import Platform
from maskloom.services.access import signing_in, tokens
from maskloom.services.access.caller import Caller
from maskloom.services.access.signing_in import SESSION_LIFETIME
from maskloom.services.access.throttle import Throttle
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
    if not scheme:
        return _somebody(_of_session(request, platform))
    address = address_of(request)
    caller = tokens.caller_of(platform, text, address) if scheme.lower() == "bearer" else None
    if caller is None:
        throttle: Throttle = request.app.state.throttle
        throttle.wrong_token(address)
        raise NotSignedIn(
            "this token is none, has expired or was revoked",
            hint="Sign in and make a new one; commands take it from MASKLOOM_TOKEN or `maskloom login`.",
        )
    return caller


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
    if request.method in _SAFE:
        return Caller(account=account, via="session", address=address_of(request))
    refuse_other_sites(request)
    given = request.headers.get(CSRF_HEADER, "")
    wanted = signing_in.csrf_token(secret)
    # Headers come as any latin-1 characters, of which strings cannot be compared in constant time.
    if not hmac.compare_digest(given.encode(errors="replace"), wanted.encode()):
        raise NotAllowed(
            f"the header {CSRF_HEADER} is missing or wrong", hint="Its value comes with `GET /api/v1/me`."
        )
    return Caller(account=account, via="session", address=address_of(request))


def refuse_other_sites(request: Request) -> None:
    """Raise NotAllowed for what a page of another site has sent, as far as the browser says so."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        ours = site in {"same-origin", "none"}
    elif origin is not None:
        # Of browsers that do not say the first. A proxy may call us by another name than the browser does.
        platform: Platform = request.app.state.platform
        places = {request.headers.get("host"), urlsplit(platform.settings.url or "").netloc}
        ours = bool(urlsplit(origin).netloc) and urlsplit(origin).netloc in places
    else:
        ours = True
    if not ours:
        raise NotAllowed("a page of another site has sent this", hint="Do it on a page of maskloom.")


def is_private(request: Request) -> bool:
    """Whether nobody reads on the way: browsers may send a cookie of this answer by HTTPS alone."""
    platform: Platform = request.app.state.platform
    return request.url.scheme == "https" or (platform.settings.url or "").startswith("https:")


def set_session(request: Request, response: Response, secret: str) -> None:
    """Let the browser in that gets this answer."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=is_private(request),
    )


def address_of(request: Request) -> str:
    """From where a request comes."""
    return request.client.host if request.client else "nowhere"


Signed = Annotated[Caller, Security(who)]
