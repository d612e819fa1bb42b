"""The bridge's HTTP application, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import MaskloomError
from maskloom.services.bridge.keys import Keys
from maskloom.services.bridge.server.backend import Backend
from maskloom.services.bridge.server.images import Images
from maskloom.services.bridge.server.webhook import Webhook
from maskloom.services.bridge.signing import ImageUrls

_log = logging.getLogger(__name__)


def create_app(
    platform: Platform, *, keys: Keys, urls: ImageUrls, tool_url: str, look: Callable[[], None]
) -> FastAPI:
    """The application.

    Args:
        urls: with what addresses of images are checked.
        tool_url: where Label Studio is, as its readers' browsers know it.
        look: is called when something may have changed in Label Studio. It must return at once: set an event.
    """
    # Without the pages that describe it: nobody but Label Studio talks to it.
    app = FastAPI(title="maskloom bridge", openapi_url=None)
    app.include_router(Images(platform, urls, tool_url).router())
    app.include_router(Webhook(keys.shared, look).router())
    app.include_router(Backend(platform, keys.shared, look).router())
    app.add_api_route("/healthz", _healthz, methods=["GET"])
    app.add_exception_handler(MaskloomError, _unavailable)
    return app


async def _healthz() -> dict[str, str]:
    """That the server answers; whether the catalog does is another question."""
    return {"status": "ok"}


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    # Not to the sender: it may say where things are.
    _log.error("the bridge cannot answer %s %r: %s", request.method, request.url.path, error)
    return JSONResponse({"detail": "maskloom cannot answer now. Its log says why."}, 503)
