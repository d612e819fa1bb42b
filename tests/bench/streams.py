"""Two hundred event streams that stay open while runs make events: whether each gets every event once, and what it costs.

A tenth of the streams are cut again and again, and go on from the event that they had last. All of them are tasks of this one
process; another of its threads makes the events.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles

from sqlalchemy import text

from bench.multitude import LARGEST
from bench.served import Served
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import runs

STREAMS = 200
RUNS = 20
EVENTS_PER_S = 4.0
CUT_EVERY_S = 20.0
"""How long a stream that is cut stays open each time."""
_SETTLE_S = 5.0
_OURS = uuid.uuid4().hex
"""By which our events are known: the runs have others."""
_LOOK_S = 5.0


@dataclass(kw_only=True)
class Followed:
    """What one stream was told: the numbers of the events of its run, in the order in which they came."""

    run: str
    cut: bool
    numbers: list[int] = field(default_factory=list)
    last: str = ""
    opened: int = 0
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it. Each of `samples` is (seconds, MiB, open files) of the service."""

    made: int
    told: int
    missing: int
    twice: int
    out_of_order: int
    reopened: int
    delays_s: list[float]
    cpu_share: float
    samples: list[tuple[float, float, int]]

    def delay_ms(self, percent: int) -> float:
        """From the commit of an event to its arrival, looks of the service included."""
        return quantiles(self.delays_s, n=100, method="inclusive")[percent - 1] * 1000


def measure(platform: Platform, served: Served, cookies: list[str], *, seconds: float) -> Figures:
    """Follow runs for so long. Streams share the `cookies` of those that have signed in."""
    with platform.database.connection() as connection:
        followed = list(
            connection.scalars(
                text("select id from runs where dataset = :dataset order by at desc limit :runs"),
                {"dataset": LARGEST, "runs": RUNS},
            )
        )
    streams = [
        Followed(run=followed[number % len(followed)], cut=number % 10 == 0) for number in range(STREAMS)
    ]
    made: dict[tuple[str, int], float] = {}
    samples: list[tuple[float, float, int]] = []
    delays: list[float] = []
    cpu_s = served.cpu_s
    begun, ended = threading.Event(), threading.Event()
    began = time.perf_counter()
    with _making(platform, followed, made, begun, ended), _sampling(served, samples, ended):
        asyncio.run(_follow(served.port, cookies, streams, made, delays, seconds, begun, ended))
    by_run = {run: [number for name, number in made if name == run] for run in followed}
    return Figures(
        made=len(made),
        told=sum(len(one.numbers) for one in streams),
        missing=sum(len(set(by_run[one.run]) - set(one.numbers)) for one in streams),
        twice=sum(len(one.numbers) - len(set(one.numbers)) for one in streams),
        out_of_order=sum(one.numbers != sorted(one.numbers) for one in streams),
        reopened=sum(one.opened - 1 for one in streams),
        delays_s=delays,
        cpu_share=(served.cpu_s - cpu_s) / (time.perf_counter() - began),
        samples=samples,
    )


@contextmanager
def _making(
    platform: Platform,
    followed: list[str],
    made: dict[tuple[str, int], float],
    begun: threading.Event,
    ended: threading.Event,
) -> Iterator[None]:
    """Events at a steady rate, of one run after the other; each has its number."""

    def make() -> None:
        number = 0
        begun.wait()
        while not ended.wait(1 / EVENTS_PER_S):
            run = followed[number % len(followed)]
            happens = {"of": _OURS, "number": number}
            platform.database.transaction(
                lambda c, run=run, happens=happens: runs.add_event(c, run, "resumed", happens)
            )
            made[run, number] = time.perf_counter()
            number += 1

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield
    finally:
        begun.set()
        ended.set()
        thread.join()


@contextmanager
def _sampling(
    served: Served, samples: list[tuple[float, float, int]], ended: threading.Event
) -> Iterator[None]:
    def sample() -> None:
        began = time.perf_counter()
        while not ended.wait(_LOOK_S):
            samples.append((time.perf_counter() - began, served.megabytes, served.open_files))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


async def _follow(
    port: int,
    cookies: list[str],
    streams: list[Followed],
    made: dict[tuple[str, int], float],
    delays: list[float],
    seconds: float,
    begun: threading.Event,
    ended: threading.Event,
) -> None:
    def came(one: Followed, content: dict[str, object]) -> None:
        detail = content.get("detail")
        if isinstance(detail, dict) and detail.get("of") == _OURS:
            number = detail["number"]
            one.numbers.append(number)
            # It may come before its maker has noted the time of the commit.
            delays.append(max(0.0, time.perf_counter() - made.get((one.run, number), time.perf_counter())))

    async def follow(one: Followed, cookie: str) -> None:
        while True:
            one.opened += 1
            try:
                async with asyncio.timeout(CUT_EVERY_S if one.cut else None):
                    await _stream(port, cookie, one, came)
            except TimeoutError:
                continue

    tasks = [
        asyncio.create_task(follow(one, cookies[number % len(cookies)])) for number, one in enumerate(streams)
    ]
    while not all(one.answered for one in streams) and not any(task.done() for task in tasks):
        await asyncio.sleep(0.05)
    begun.set()
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    ended.set()
    await asyncio.sleep(_SETTLE_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _stream(
    port: int, cookie: str, one: Followed, came: Callable[[Followed, dict[str, object]], None]
) -> None:
    """One connection, until the service ends it or somebody cancels it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        last = f"Last-Event-ID: {one.last}\r\n" if one.last else ""
        path = f"/api/v1/runs/{one.run}/events"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n{last}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        one.answered = True
        while line := await reader.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                pending = value
            elif name == "data":
                came(one, json.loads(value))
                one.last = pending
    finally:
        writer.close()
