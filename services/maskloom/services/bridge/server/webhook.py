"""Label Studio says that something changed. It is taken as a hint to look, and never at its word.

Label Studio sends a webhook within its reader's own request, once and unsigned. So the answer is quick, what it says is not
read, and one that is lost, forged or replayed costs nothing: how tasks stand is asked of Label Studio itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import SecretStr

from maskloom.services.bridge import keys
from maskloom.services.bridge.server import bodies

HEADER = "X-Maskloom-Secret"
_MOST = 4 << 20
_log = logging.getLogger(__name__)


class Webhook:
    """`look` asks for a look at Label Studio. It must return at once, as the `set` of an event does."""

    def __init__(self, secret: SecretStr, look: Callable[[], None]) -> None:
        self._secret = secret
        self._look = look

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/webhook", self.post, methods=["POST"])
        return router

    async def post(self, request: Request) -> Response:
        """204 for whoever knows the secret, else 403; 413 for more than a few MB."""
        if not keys.same(request.headers.get(HEADER, ""), self._secret):
            _log.warning(
                "refused a webhook from %s: its header %s is missing or wrong",
                request.client.host if request.client else "nowhere",
                HEADER,
            )
            raise HTTPException(403, f"The header {HEADER} is missing or wrong.")
        # Before the body: what it says does not matter, not even whether all of it comes.
        self._look()
        await bodies.read(request, most=_MOST)
        return Response(status_code=204)
