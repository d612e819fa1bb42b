"""Events of a run as they come: the connection may be lost at any time, and goes on after the last event that came."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from maskloom.services.client.transport import Transport, check

_SILENCE_S = 45.0
"""Three times as long as the server is ever silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a run (`topic` is `run`), or a step that it took (`step`). `id` grows."""

    id: str
    topic: str
    content: dict[str, Any]


def follow(transport: Transport, path: str, last: str) -> Iterator[Event]:
    """The events at `path` from after the one with the id `last`, without end. Raises what `Transport.ask` raises."""
    while True:
        with ExitStack() as open_streams:
            answer = transport.insist(partial(_open, transport, path, last, open_streams))
            try:
                for event in _events(answer.iter_lines()):
                    last = event.id
                    yield event
            except httpx.TransportError:
                continue  # from after the last one that came


def _open(transport: Transport, path: str, last: str, open_streams: ExitStack) -> httpx.Response:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    answer: httpx.Response = open_streams.enter_context(
        transport.stream(path, headers=headers, silence_s=_SILENCE_S)
    )
    check(answer)
    return answer


def _events(lines: Iterable[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "id" in fields:  # and not a sign of life alone
            yield Event(id=fields["id"], topic=fields["event"], content=json.loads(fields["data"]))
        fields = {}
