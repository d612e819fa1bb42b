"""What may come in: requests of a size that their readers expect, whole, and in time."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskloom.services.api.problems import problem
from maskloom.services.intake.limits import TooSlow

MOST = 1 << 20
PATIENCE_S = 10.0
_LEAST = 64 << 10
"""So much of a large body has to come in that time."""
_DRAINED, _DRAINED_S = 64 << 20, 2.0
_NUL = re.compile(rb"\x00|\\u0000")
_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""In JSON, half of a character beyond the first 65,536: no text in UTF-8 has one alone."""
_CLOSING = {"Connection": "close"}
"""Nobody reads what still comes."""


class Bodies:
    """ASGI middleware that reads a request's body before anything else happens.

    413 for one over MOST bytes, 408 for one that takes longer than PATIENCE_S, and 400 for NUL characters anywhere and
    halves of characters, which no text of ours has and PostgreSQL takes none of.

    Bodies of requests to `large` paths are left to who answers them, who first asks who sends them; what they read raises
    TooSlow where it comes too slowly. Whoever is refused meanwhile is not listened to any longer.
    """

    def __init__(self, app: ASGIApp, large: re.Pattern[str]) -> None:
        self._app = app
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "POST" and self._large.fullmatch(scope["path"]):
            await self._leave(scope, receive, send)
            return
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        body = None if int(length) > MOST else await _read(receive)
        if body is None:
            refusal = problem(413, f"the request is longer than {MOST} bytes", headers=_CLOSING)
        elif isinstance(body, TimeoutError):
            refusal = problem(408, "the request took too long to come", headers=_CLOSING)
        elif _has_nul(scope) or _NUL.search(body):
            refusal = problem(400, "the request has NUL characters", "Leave them out.")
        elif _HALF.search(body):
            refusal = problem(400, "the request has halves of characters", "Send text that is UTF-8.")
        else:
            await self._app(scope, _once(body, receive), send)
            return
        await refusal(scope, receive, send)

    async def _leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _has_nul(scope):
            refusal = problem(400, "the request has NUL characters", "Leave them out.", _CLOSING)
            await refusal(scope, receive, send)
            return
        slow = _InTime(receive)

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and not slow.ended:
                MutableHeaders(scope=message).update(_CLOSING)
            if message["type"] == "http.response.body" and not slow.ended:
                # Where a connection ends that still brings something, its other end may never see the answer.
                await send({**message, "more_body": True})
                await slow.drain()
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, slow, closing)


class _InTime:
    """Receives a large body as long as enough of it comes."""

    def __init__(self, receive: Receive) -> None:
        self.ended = False
        self._receive = receive
        self._due = asyncio.get_running_loop().time() + PATIENCE_S
        self._came = 0

    async def __call__(self) -> Message:
        if self.ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._due):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow("the request took too long to come", hint="Send it over a faster line.") from None
        self._came += len(message.get("body", b""))
        if self._came >= _LEAST:
            self._came, self._due = 0, asyncio.get_running_loop().time() + PATIENCE_S
        self.ended = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Take what still comes of the body, for a moment."""
        left = _DRAINED
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_S):
                while left > 0 and not self.ended:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self.ended = not message.get("more_body", False)


def _has_nul(scope: Scope) -> bool:
    return "\0" in scope["path"] or b"%00" in scope["query_string"]


async def _read(receive: Receive) -> bytes | TimeoutError | None:
    """The body; None where it is too long."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MOST:
                    return None
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        return error


def _once(body: bytes, receive: Receive) -> Receive:
    """What gives the application the body that was read, and then what comes after it."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
