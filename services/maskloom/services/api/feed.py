"""News of runs for many who follow them: one thread looks, for all of them, at the runs that somebody follows."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from anyio import to_thread

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import news
from maskloom.platform.errors import CatalogUnavailable
from maskloom.platform.run_facts import News, Seen

LOOK_EVERY_S = 0.5
_MOST_WAITING = 1000
"""So many news may wait for who reads slowly; then their stream ends, and goes on from there when they ask again."""
_log = logging.getLogger(__name__)


class Follower:
    """Somebody who follows a run. `seen` grows with what they were given."""

    def __init__(self, run: str, seen: Seen) -> None:
        self.run = run
        self.seen = seen
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[News | None] = asyncio.Queue(_MOST_WAITING)

    def tell(self, one: News | None) -> None:
        """From any thread: give them news, or None at the end of it all."""
        self._loop.call_soon_threadsafe(self._put, one)

    def _put(self, one: News | None) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
            one = None
        self._waiting.put_nowait(one)

    async def next(self, patience_s: float) -> News | None:
        """The next news that they have not seen. Raises TimeoutError when there is none for so long; None is the end."""
        async with asyncio.timeout(patience_s):
            while True:
                one = await self._waiting.get()
                if one is None or self._is_new(one):
                    return one

    def given(self, one: News) -> News:
        """These news, with all that they have seen by now."""
        event, step = max(self.seen.event, one.seen.event), max(self.seen.step, one.seen.step)
        self.seen = Seen(event=event, step=step)
        return replace(one, seen=self.seen)

    def _is_new(self, one: News) -> bool:
        return one.seen.event > self.seen.event if one.topic == "run" else one.seen.step > self.seen.step


class Feed:
    """Looks for news of the runs that somebody follows, in a thread that runs while somebody does."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._followers: dict[str, set[Follower]] = {}
        self._seen: dict[str, Seen] = {}
        self._looking: threading.Thread | None = None

    async def follow(self, run: str, seen: Seen, patience_s: float) -> AsyncIterator[News | None]:
        """All that has happened to `run` since `seen`, and then whatever does; None after `patience_s` without any."""
        follower = Follower(run, seen)
        now = await to_thread.run_sync(self._now, run)
        with self._following(follower, now):
            # What happens while we look at what there was reaches the follower as well, who knows what they have seen.
            for one in await to_thread.run_sync(self._since, run, seen):
                yield follower.given(one)
            while True:
                try:
                    got = await follower.next(patience_s)
                except TimeoutError:
                    yield None
                    continue
                if got is None:
                    return
                yield follower.given(got)

    def _now(self, run: str) -> Seen:
        return self._platform.database.transaction(lambda connection: news.newest(connection, run))

    def _since(self, run: str, seen: Seen) -> list[News]:
        return self._platform.database.transaction(lambda connection: news.since(connection, {run: seen}))

    @contextmanager
    def _following(self, follower: Follower, now: Seen) -> Iterator[None]:
        with self._lock:
            self._followers.setdefault(follower.run, set()).add(follower)
            self._seen.setdefault(follower.run, now)
            if self._looking is None:
                self._looking = threading.Thread(target=self._look, name="news of runs", daemon=True)
                self._looking.start()
        try:
            yield
        finally:
            with self._lock:
                self._followers[follower.run].discard(follower)
                if not self._followers[follower.run]:
                    del self._followers[follower.run], self._seen[follower.run]

    def _look(self) -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_EVERY_S):
            with self._lock:
                wanted = dict(self._seen)
                if not wanted:
                    self._looking = None
                    return
            try:
                found = self._platform.database.transaction(partial(news.since, seen=wanted))
            except CatalogUnavailable as error:
                _log.warning("no news of runs: %s", error.message)
                continue
            self._tell(found)

    def _tell(self, found: list[News]) -> None:
        with self._lock:
            for one in found:
                if one.run in self._seen:
                    self._seen[one.run] = one.seen
                for follower in self._followers.get(one.run, ()):
                    follower.tell(one)
