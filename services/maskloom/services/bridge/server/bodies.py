"""Reading what a sender sends: not too much of it, and not for too long."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

PATIENCE_S = 10.0
_CLOSING = {"Connection": "close"}
"""Nobody reads what still comes."""


async def read(request: Request, *, most: int) -> bytes:
    """The body of a request, at most `most` bytes.

    Raises:
        HTTPException: 413 for a longer one, which is not read; 408 for one that takes longer than PATIENCE_S seconds; 400
            when the sender is gone.
    """
    if int(request.headers.get("content-length", "0")) > most:
        raise _too_long(most)
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise _too_long(most)
    except TimeoutError as error:
        raise HTTPException(408, "The request took too long to come.", _CLOSING) from error
    except ClientDisconnect as error:
        raise HTTPException(400, "The request was cut off.", _CLOSING) from error
    return bytes(body)


def _too_long(most: int) -> HTTPException:
    return HTTPException(413, f"The request is longer than {most} bytes.", _CLOSING)
