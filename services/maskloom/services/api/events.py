"""What happens to a run, as server-sent events."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import MaskloomError, SettingsError
from maskloom.platform.run_facts import News, Seen
from maskloom.services.api.feed import Feed
from maskloom.services.api.gate import Signed, who_asks
from maskloom.services.api.runs import run_seen

HEARTBEAT_S = 15.0
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"(?P<event>[0-9]{1,18})-(?P<step>[0-9]{1,18})")
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Events `run` and `step`, with JSON as data"}
}


class Events:
    """Answers GET /runs/RUN/events."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._feed = Feed(platform)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/runs", tags=["runs"])
        router.add_api_route(
            "/{run}/events",
            self.follow,
            methods=["GET"],
            response_class=StreamingResponse,
            responses=_STREAM,
        )
        return router

    async def follow(
        self,
        request: Request,
        run: str,
        caller: Signed,
        last: Annotated[
            str,
            Header(
                alias="Last-Event-ID",
                description="The last event that you have.",
                examples=["7-1767225600000000"],
            ),
        ] = "",
    ) -> StreamingResponse:
        """Follow a run.

        All that has happened, and then what does, each once: from after the last event, where that is said.
        """
        seen = _seen(last)
        found = await to_thread.run_sync(run_seen, self._platform, caller, run, Role.VIEWER)
        return StreamingResponse(self._lines(request, found.id, seen), media_type="text/event-stream")

    async def _lines(self, request: Request, run: str, seen: Seen) -> AsyncIterator[str]:
        checked = time.monotonic()
        async for one in self._feed.follow(run, seen, HEARTBEAT_S):
            if time.monotonic() >= checked + HEARTBEAT_S:
                if not await to_thread.run_sync(self._may_still, request, run):
                    return
                checked = time.monotonic()
            yield ": still here\n\n" if one is None else _line(one)

    def _may_still(self, request: Request, run: str) -> bool:
        """Whether who follows is still signed in, and still sees the run."""
        try:
            run_seen(self._platform, who_asks(request), run, Role.VIEWER)
        except MaskloomError:
            return False
        return True


def _line(one: News) -> str:
    step = (one.seen.step - _BEGINNING) // timedelta(microseconds=1)
    content = json.dumps(one.content | {"at": one.content["at"].isoformat()})
    return f"id: {one.seen.event}-{step}\nevent: {one.topic}\ndata: {content}\n\n"


def _seen(last: str) -> Seen:
    if not last:
        return Seen(event=0, step=_BEGINNING)
    match = _ID.fullmatch(last)
    try:
        if match is not None:
            step = _BEGINNING + timedelta(microseconds=int(match["step"]))
            return Seen(event=int(match["event"]), step=step)
    except OverflowError:
        pass
    raise SettingsError("Last-Event-ID is no id of an event", hint="Send the one that came last, or none.")
