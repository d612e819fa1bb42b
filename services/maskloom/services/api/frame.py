"""What every answer has, whatever it says: headers that keep browsers careful, and an id by which logs name the request."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskloom.platform.telemetry import span
from maskloom.services.logs import naming

REQUEST_ID = "X-Request-Id"
_FAILED = 500
"""What an answer that never began will have been."""
_log = logging.getLogger(__name__)
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Frame:
    """ASGI middleware around the whole application.

    `seen` is told of each request: method, route, status, seconds. `prefix` is that of the API's routes.
    """

    def __init__(self, app: ASGIApp, seen: Callable[[str, str, int, float], None], prefix: str) -> None:
        self._app = app
        self._prefix = prefix
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        began, status = time.perf_counter(), 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                # What an account may see is nobody else's, and may be another tomorrow.
                headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        asked = {"http.request.method": scope["method"], "maskloom.request": request_id}
        traced = span(scope["method"], asked, SpanKind.SERVER, _headers_of(scope))
        with naming(request_id), traced as current:
            try:
                await self._app(scope, receive, framed)
            finally:
                self._tell(scope, current, status or _FAILED, time.perf_counter() - began)

    def _tell(self, scope: Scope, current: Span, status: int, seconds: float) -> None:
        # The route and not the path: names of data sets and slices belong in no log.
        route = getattr(scope.get("route"), "path", "unknown")
        if scope["path"].startswith(self._prefix):  # which the path of a route in a router is without
            route = self._prefix + route
        self._seen(scope["method"], route, status, seconds)
        current.update_name(f"{scope['method']} {route}")
        current.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= _FAILED:
            current.set_status(StatusCode.ERROR)
        _log.info("%s %s %d in %.0f ms", scope["method"], route, status, seconds * 1000)


def _headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
