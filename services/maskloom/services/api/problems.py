"""Errors as answers: application/problem+json (RFC 9457), with what was wrong in `detail` and what to do in `hint`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from maskloom.platform.errors import (
    CatalogUnavailable,
    ClusterUnavailable,
    MaskloomError,
    NothingToDo,
    ObjectStoreUnavailable,
    PromotionRefused,
    RunBusy,
    SettingsError,
    ToolUnavailable,
    UnknownName,
)
from maskloom.services.access.provider import ProviderUnavailable
from maskloom.services.api.views import Problem
from maskloom.services.errors import Conflict, NotAllowed, NotSignedIn, StillAtWork, TooManyTries
from maskloom.services.intake.limits import TooMuch, TooSlow

MEDIA_TYPE = "application/problem+json"
_STATUS: dict[type[MaskloomError], int] = {
    UnknownName: 404,
    NotAllowed: 403,
    NotSignedIn: 401,
    TooManyTries: 429,
    TooMuch: 413,
    TooSlow: 408,
    SettingsError: 422,
    NothingToDo: 422,
    RunBusy: 409,
    Conflict: 409,
    PromotionRefused: 409,
    CatalogUnavailable: 503,
    ObjectStoreUnavailable: 503,
    ClusterUnavailable: 503,
    ToolUnavailable: 503,
    ProviderUnavailable: 503,
}
_OURS = 500
_log = logging.getLogger(__name__)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares where it gives these answers besides those that follow from its form (`description.py`)."""
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def answer_with_problems(app: FastAPI, page: Callable[[Problem], HTMLResponse]) -> None:
    """Make every error that a route raises a problem; where it is a page of the console, `page` shows it."""
    kinds: dict[type[Exception], Callable[[Request, Any], JSONResponse]] = {
        MaskloomError: _of_maskloom,
        HTTPException: _of_http,
        RequestValidationError: _of_validation,
        Exception: _of_anything_else,
    }
    for kind, tell in kinds.items():

        async def handle(request: Request, error: Exception, tell: Any = tell) -> Response:
            answer: JSONResponse = tell(request, error)
            wants_page = "text/html" in request.headers.get("accept", "")
            if wants_page and _is_page(request) and "location" not in answer.headers:
                return page(Problem.model_validate_json(bytes(answer.body)))
            return answer

        app.add_exception_handler(kind, handle)


def _is_page(request: Request) -> bool:
    """Whether people look at what is there: all but the API, and of that what they come by when they sign in."""
    route = request.scope.get("route")
    return not request.url.path.startswith("/api/") or getattr(route, "response_class", None) is HTMLResponse


def problem(
    status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None, field: str = ""
) -> JSONResponse:
    """The answer that tells of a problem."""
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, hint=hint, field=field)
    return JSONResponse(content.model_dump(), status, headers, MEDIA_TYPE)


def _of_maskloom(request: Request, error: MaskloomError) -> JSONResponse:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), _OURS)
    if status >= _OURS:
        # Not to the sender: it may say where things are.
        _log.error("cannot answer %s %r: %s", request.method, request.url.path, error)
        if isinstance(error, ProviderUnavailable):
            return problem(status, error.message, error.hint)
        return problem(status, "maskloom cannot answer now", "Try again in a while; its log says why.")
    field = error.key if isinstance(error, SettingsError) else ""
    return problem(status, error.message, error.hint, _headers(error), field)


def _headers(error: MaskloomError) -> dict[str, str]:
    if isinstance(error, NotSignedIn):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, StillAtWork):
        return {"Retry-After": "1"}
    return {"Retry-After": str(error.retry_s)} if isinstance(error, TooManyTries) else {}


def _of_http(_request: Request, error: HTTPException) -> JSONResponse:
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


def _of_validation(_request: Request, error: RequestValidationError) -> JSONResponse:
    # Without what was sent: it may be a password.
    wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:8])
    field = ".".join(map(str, error.errors()[0]["loc"][1:]))
    hint = "GET /api/v1/openapi.json describes it."
    return problem(422, f"the request cannot be used: {wrong}", hint, field=field)


def _of_anything_else(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %r failed", request.method, request.url.path, exc_info=error)
    return problem(_OURS, "something went wrong that should not", "The log of maskloom says what.")
