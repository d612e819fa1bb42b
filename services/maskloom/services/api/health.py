"""Whether maskloom lives (`/healthz`) and can do its work (`/readyz`). Neither tells a stranger more than that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import MaskloomError

_NO_BLOB = "0" * 64
_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "Not ready: the states tell what is not", "model": dict[str, str]}
}
_log = logging.getLogger(__name__)


class Health:
    """Answers GET /healthz and GET /readyz."""

    def __init__(self, platform: Platform) -> None:
        self._checks: dict[str, Callable[[], object]] = {
            "database": platform.database.check,
            "objects": lambda: platform.objects.has(_NO_BLOB),
            "ray": platform.cluster.check,
        }

    def router(self) -> APIRouter:
        router = APIRouter(tags=["health"])
        router.add_api_route("/healthz", self.alive, methods=["GET"])
        router.add_api_route(
            "/readyz", self.ready, methods=["GET"], response_model=dict[str, str], responses=_NOT_READY
        )
        return router

    async def alive(self) -> dict[str, str]:
        """That the server answers."""
        return {"status": "ok"}

    def ready(self) -> JSONResponse:
        """Whether the database, the objects and Ray answer. 200 when all do, else 503."""
        states = {name: self._state(name) for name in self._checks}
        return JSONResponse(states, 200 if set(states.values()) == {"ok"} else 503)

    def _state(self, name: str) -> str:
        try:
            self._checks[name]()
        except MaskloomError as error:
            _log.warning("not ready: %s: %s", name, error)
            return "unavailable"
        return "ok"
