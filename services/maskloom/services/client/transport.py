"""Requests of the client: sent again where they are lost on their way, and refused as maskloom refuses."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import tenacity
from pydantic import BaseModel, TypeAdapter, ValidationError

from maskloom.platform.errors import MaskloomError, SettingsError, UnknownName
from maskloom.services.api.views import Problem
from maskloom.services.errors import (
    Conflict,
    NotAllowed,
    NotSignedIn,
    ServiceUnavailable,
    StillAtWork,
    TooManyTries,
)

T = TypeVar("T")
PATIENCE_S = 30.0
_ANSWER_S = 120.0
_TAKEN_IN_S = 3600.0
"""So long a server may unpack what it was sent."""
_OF_PROXIES = {502, 503, 504}
"""What they say while nobody is behind them."""
_KINDS: dict[int, type[MaskloomError]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: UnknownName,
    409: Conflict,
    422: SettingsError,
}


class _Page(BaseModel):
    items: list[Any]
    next: str = ""


_PAGE = TypeAdapter(_Page)


class Transport:
    """The connections to one maskloom, and what lets its user in."""

    def __init__(self, url: str, token: str | None, patience_s: float) -> None:
        self.url = base_url(url)
        self._patience_s = patience_s
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = httpx.Timeout(_ANSWER_S, connect=10)
        try:
            # Redirects are not followed: a token is for this address alone.
            self._http = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=timeout)
        except (ValueError, UnicodeEncodeError) as error:
            raise SettingsError("the token has characters that none has", hint="Copy it as it is.") from error

    def get(self, path: str, kind: TypeAdapter[T], **query: Any) -> T:
        """What GET answers."""
        return self.read(self.ask("GET", path, query=query), kind)

    def change(self, method: str, path: str, kind: TypeAdapter[T], body: BaseModel | None = None) -> T:
        """What a change answers."""
        return self.read(self.ask(method, path, body=body), kind)

    def everything(self, path: str, kind: TypeAdapter[T], **query: Any) -> Iterator[T]:
        """A whole list, portion by portion."""
        cursor = None
        while cursor != "":
            page = self.get(path, _PAGE, **query, cursor=cursor)
            for item in page.items:
                yield self._understood(partial(kind.validate_python, item))
            cursor = page.next

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: BaseModel | None = None,
        repeatable: bool = True,
    ) -> httpx.Response:
        """An answer that is a success. `repeatable`: to ask twice is to ask once; a POST, because it takes an Idempotency-Key.

        Raises the MaskloomError that the problem tells of, and ServiceUnavailable.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        if method == "POST" and repeatable:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        request = self._http.build_request(
            method,
            path,
            params={name: value for name, value in (query or {}).items() if value is not None},
            content=None if body is None else with_secrets(body),
            headers=headers,
        )
        attempts = 0

        def once() -> httpx.Response:
            nonlocal attempts
            attempts += 1
            answer = self._http.send(request)
            if method == "DELETE" and attempts > 1 and answer.status_code == HTTPStatus.NOT_FOUND:
                return httpx.Response(204)  # an earlier try has done it, and its answer was lost
            check(answer)
            return answer

        return self.insist(once, repeatable=repeatable)

    def insist(self, send: Callable[[], T], *, repeatable: bool = True) -> T:
        """What `send` returns, which is tried again while nobody answers; what is not repeatable, while nobody even hears."""
        lost = (httpx.TransportError, ServiceUnavailable, StillAtWork) if repeatable else httpx.ConnectError
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(lost),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
            stop=tenacity.stop_after_delay(self._patience_s),
            reraise=True,
        )
        try:
            return retrying(send)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"maskloom does not answer at {self.url}: {error or type(error).__name__}",
                hint="Check the address, and that `maskloom serve` runs there.",
            ) from error

    def stream(
        self,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        silence_s: float = _ANSWER_S,
    ) -> Any:
        """A context with an answer that is read as it comes, and that may be silent for so long."""
        timeout = httpx.Timeout(silence_s, connect=10)
        return self._http.stream("GET", path, headers=headers, params=query, timeout=timeout)

    def leads_to(self, path: str) -> dict[str, str]:
        """The query of the address to which `path` leads. Where that is, is not followed: a token is for this server alone."""

        def once() -> httpx.Response:
            answer = self._http.get(path)
            if not answer.has_redirect_location:
                check(answer)
            return answer

        return dict(parse_qsl(urlsplit(self.insist(once).headers.get("Location", "")).query))

    def send(
        self, path: str, query: dict[str, str], headers: dict[str, str], body: Callable[[], Iterator[bytes]]
    ) -> httpx.Response:
        """An answer that is a success to a large `body`. It is sent again only where nobody has heard of it yet."""

        def once() -> httpx.Response:
            timeout = httpx.Timeout(_ANSWER_S, connect=10, read=_TAKEN_IN_S)
            answer = self._http.post(path, params=query, headers=headers, content=body(), timeout=timeout)
            check(answer)
            return answer

        return self.insist(once, repeatable=False)

    def read(self, answer: httpx.Response, kind: TypeAdapter[T]) -> T:
        """The answer's content. Raises SettingsError for what no maskloom of this version says."""
        return self._understood(partial(kind.validate_json, answer.content))

    def _understood(self, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except ValidationError as error:
            raise SettingsError(
                f"what {self.url} answers cannot be understood ({error.error_count()} faults)",
                hint="Use the client of the version that serves there.",
            ) from error

    def let_in(self, csrf_token: str) -> None:
        """Send `csrf_token` with every request from now on, as the session of a cookie needs it."""
        self._http.headers["X-CSRF-Token"] = csrf_token

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def base_url(url: str) -> str:
    """`url` without a slash at its end. Raises SettingsError for what is no address of a maskloom, or has a secret in it."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or "@" in parts.netloc:
        raise SettingsError(
            "that is not the address of a maskloom that serves",
            hint="Write it like https://maskloom.example or http://127.0.0.1:8042.",
        )
    return url.rstrip("/")


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def with_secrets(body: BaseModel) -> bytes:
    """`body` as JSON, in which secrets are what they are and not stars."""
    plain = body.model_dump(mode="python", exclude_unset=True)
    return TypeAdapter(Any).dump_json({name: _revealed(value) for name, value in plain.items()})


def _revealed(value: Any) -> Any:
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def check(answer: httpx.Response) -> None:
    """Raise what the answer tells of, where it is no success."""
    if answer.is_success:
        return
    answer.read()
    try:
        said = Problem.model_validate_json(answer.content)
    except ValidationError:
        away = answer.status_code in _OF_PROXIES
        raise (ServiceUnavailable if away else SettingsError)(
            f"what answers at {answer.url.copy_with(path='/', query=None)} is no maskloom: {answer.status_code}",
            hint="Check the address.",
        ) from None
    wait_s = answer.headers.get("Retry-After", "")
    if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise TooManyTries(int(wait_s or 60))
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        raise ServiceUnavailable(said.detail, hint=said.hint)
    kind = StillAtWork if wait_s else _KINDS.get(answer.status_code, MaskloomError)
    raise kind(said.detail, hint=said.hint)
