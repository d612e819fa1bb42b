"""Server-sent events of the API, as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event: its id, its topic, and what it says."""

    id: str
    topic: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream that is open."""

    response: HTTPResponse

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.response.getheaders()}

    def rest(self) -> bytes:
        """All that still comes, of an answer that ends."""
        return self.response.read()

    def __iter__(self) -> Iterator[Event | None]:
        """Events until the stream ends; None for a comment."""
        lines: dict[str, str] = {}
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                lines[name] = value
                continue
            yield (
                Event(id=lines["id"], topic=lines["event"], content=json.loads(lines["data"]))
                if "id" in lines
                else None
            )
            lines = {}

    def take(self, count: int) -> list[Event]:
        """The next `count` events."""
        found: list[Event] = []
        for event in self:
            if event is not None:
                found.append(event)
            if len(found) == count:
                break
        return found


@contextmanager
def following(url: str, cookie: str, last: str = "") -> Iterator[Stream]:
    """The stream at `url`, from after the event `last`."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    headers = {"Cookie": cookie} | ({"Last-Event-ID": last} if last else {})
    connection.request("GET", parts.path, headers=headers)
    response = connection.getresponse()
    try:
        yield Stream(response=response)
    finally:
        response.close()
        connection.close()
