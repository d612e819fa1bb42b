"""Slices as images for a reader's browser, to whoever has a signed address."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import slices
from maskloom.platform.facts import Split
from maskloom.platform.imaging.formats import decode_grey8, detect_format, encode_png
from maskloom.services.bridge.signing import Access, ImageUrls

_REFUSALS = {
    Access.EXPIRED: "This address of an image has expired: push the review again, and reload the page.",
    Access.REFUSED: "This address of an image was not made by maskloom, or was changed.",
}
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Images:
    """Answers GET /images/DIGEST?expires=...&signature=... .

    `tool_url` is where Label Studio is: only its pages may draw on the images.
    """

    def __init__(self, platform: Platform, urls: ImageUrls, tool_url: str) -> None:
        self._platform = platform
        self._urls = urls
        self._origins = origins_of(tool_url)

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/images/{digest}", self.get, methods=["GET"])
        return router

    def get(self, request: Request, digest: str, expires: str = "", signature: str = "") -> Response:
        """The slice as PNG or JPEG of 8 bits; 403 without a good address, 404 where no slice that readers see has it."""
        headers = self._headers(request.headers.get("origin", ""))
        access = self._urls.check(digest, expires, signature, time.time())
        if access is not Access.GRANTED:
            return PlainTextResponse(_REFUSALS[access], 403, headers)
        found = self._platform.database.transaction(lambda c: slices.everywhere(c, digest))
        if all(slice_.split is Split.TEST for slice_ in found):
            return PlainTextResponse("No slice for readers has this digest.", 404, headers)
        stored = self._platform.objects.get(digest)
        # Browsers show the upper 8 of 16 bits, in which CT is black.
        shown = stored if found[0].bits == 8 else encode_png(decode_grey8(stored))
        return Response(shown, 200, headers, detect_format(shown, "").media_type)

    def _headers(self, origin: str) -> dict[str, str]:
        return {
            "Access-Control-Allow-Origin": origin if origin in self._origins else self._origins[0],
            "Vary": "Origin",
            "Cache-Control": "private",
            "X-Content-Type-Options": "nosniff",
        }


def origins_of(url: str) -> tuple[str, ...]:
    """The origins from which a browser may show the pages of `url`, that of `url` first.

    A loopback address has several names, and a reader types any of them.
    """
    parts: Any = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    names = [host, *(name for name in _LOOPBACK if name != host)] if host in _LOOPBACK else [host]
    return tuple(f"{parts.scheme}://{name}{port}" for name in names)
