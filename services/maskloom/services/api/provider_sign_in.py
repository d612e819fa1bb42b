"""Signing in with an OpenID Connect provider: off to it, and back (authorization code flow with PKCE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import UnknownName
from maskloom.services.access import people
from maskloom.services.access.provider import Provider, ProviderUnavailable, refused
from maskloom.services.access.round_trip import LIFETIME_S, RoundTrip, RoundTrips
from maskloom.services.access.throttle import Throttle
from maskloom.services.api.gate import address_of, is_private, set_session
from maskloom.services.api.problems import refusals
from maskloom.services.errors import NotSignedIn

_COOKIE = "maskloom_round_trip"
_FOLDER = "/api/v1/session/oidc"
_NAME = "by provider"
Given = Annotated[str, Query(max_length=4000, description="As the provider sends it.", examples=["Kx8f3s"])]


class ProviderSignIn:
    """Answers below /session/oidc. `welcome` makes the page that leads on to the one given."""

    def __init__(
        self, platform: Platform, throttle: Throttle, welcome: Callable[[str], HTMLResponse]
    ) -> None:
        self._platform = platform
        self._throttle = throttle
        self._welcome = welcome
        settings = platform.settings
        self._provider = Provider(settings) if settings.oidc_issuer else None
        self._trips = RoundTrips(settings.oidc_client_secret) if settings.oidc_client_secret else None

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/session/oidc", tags=["session"])
        answers = refusals(401, 404, 429, 503)
        router.add_api_route(
            "",
            self.begin,
            methods=["GET"],
            status_code=303,
            response_class=HTMLResponse,
            responses=answers,
            name="go_to_provider",
        )
        router.add_api_route(
            "/callback",
            self.end,
            methods=["GET"],
            response_class=HTMLResponse,
            responses=answers,
            name="come_from_provider",
        )
        return router

    def begin(
        self,
        request: Request,
        next_page: Annotated[
            str, Query(alias="next", max_length=2000, description="Where to go then.", examples=["/datasets"])
        ] = "/",
    ) -> Response:
        """Go to the provider to sign in. 404 where this maskloom has none."""
        provider, trips = self._configured()
        trip, carried = trips.begin(next_page)
        url = provider.sign_in_url(state=trip.state, nonce=trip.nonce, verifier=trip.verifier)
        answer = RedirectResponse(url, 303)
        answer.set_cookie(
            _COOKIE,
            carried,
            max_age=LIFETIME_S,
            path=_FOLDER,
            httponly=True,
            # Not strict: it has to come along when the provider sends the browser back.
            samesite="lax",
            secure=is_private(request),
        )
        return answer

    def end(
        self, request: Request, code: Given = "", state: Given = "", iss: Given = "", error: Given = ""
    ) -> HTMLResponse:
        """Come back from the provider, and begin a session. 404 where this maskloom has none."""
        provider, trips = self._configured()
        address = address_of(request)
        self._throttle.check(address, _NAME)
        try:
            trip = trips.end(request.cookies.get(_COOKIE, ""), state)
            next_page = trip.next if trip else "/"
            secret = self._come_in(provider, trip, code, iss, error, address)
        except NotSignedIn:
            self._throttle.refused(address, _NAME)
            raise
        # A page, not a redirect: on one that another site began, browsers do not send the cookie of the session.
        answer = self._welcome(next_page)
        answer.delete_cookie(_COOKIE, path=_FOLDER)
        set_session(request, answer, secret)
        return answer

    def _come_in(
        self, provider: Provider, trip: RoundTrip | None, code: str, issuer: str, error: str, address: str
    ) -> str:
        try:
            if trip is None:
                raise refused(
                    provider.name, "this is not the browser that was sent there, or it took too long"
                )
            if error or not code:
                raise refused(provider.name, "it said no")
            if issuer and issuer != self._platform.settings.oidc_issuer:
                raise refused(provider.name, "another one answered")
            identity = provider.identity(code, nonce=trip.nonce, verifier=trip.verifier)
        except (NotSignedIn, ProviderUnavailable) as reason:
            people.refuse(self._platform, address, reason.message)
            raise
        return people.come_in(self._platform, identity, address)

    def _configured(self) -> tuple[Provider, RoundTrips]:
        if self._provider is None or self._trips is None:
            raise UnknownName(
                "this maskloom has no provider to sign in with", hint="An admin can set MASKLOOM_OIDC_ISSUER."
            )
        return self._provider, self._trips
