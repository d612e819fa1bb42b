"""Fifty clients that look at the service, with one connection and one session each, as browsers and programs have.

They are tasks of this one process, which speaks the least HTTP that will do: what clients compute is taken from the same two
cores as what is measured.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles
from typing import Any
from urllib.parse import quote

from sqlalchemy import text

from bench.multitude import SHARES
from bench.served import Served, database_cpu_s
from maskloom.platform.bootstrap import Platform
from maskloom.services.api.paging import cursor_of

CLIENTS = 50
API = "/api/v1"
_PLACES = 500
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a crowd has seen. `times_s` by what was asked for; CPU seconds of the service, of PostgreSQL and of the clients."""

    times_s: dict[str, list[float]]
    wall_s: float
    service_cpu_s: float
    database_cpu_s: float
    clients_cpu_s: float

    @property
    def requests(self) -> int:
        return sum(map(len, self.times_s.values()))

    def percentile_ms(self, percent: int, name: str | None = None) -> float:
        """Of one kind of request, or of all."""
        times = self.times_s[name] if name else [one for each in self.times_s.values() for one in each]
        return quantiles(times, n=100, method="inclusive")[percent - 1] * 1000


Paths = dict[str, Callable[[random.Random], str]]
"""What is asked for: by name, how to choose an address."""


def paths(platform: Platform, pictures: list[str]) -> Paths:
    """Addresses spread over the whole catalog; `pictures` are those of slices that have pixels."""
    with platform.database.connection() as connection:
        places = connection.execute(
            text(
                "select dataset, volume, position, digest from slices where split = 'unlabelled' and dataset = any(:names) "
                "order by random() limit :places"
            ),
            {"names": list(SHARES), "places": _PLACES},
        ).all()
        runs = connection.execute(
            text("select id, at from runs order by random() limit :places"), {"places": _PLACES}
        ).all()

    def dataset(chance: random.Random) -> str:
        return chance.choices(list(SHARES), list(SHARES.values()))[0]

    def place(chance: random.Random) -> tuple[str, str]:
        row = chance.choice(places)
        return row.dataset, cursor_of((row.volume, row.position, row.digest))

    def slice_of(chance: random.Random) -> str:
        row = chance.choice(places)
        return f"{row.dataset}/slices/{row.digest}"

    def deep(chance: random.Random) -> str:
        name, cursor = place(chance)
        return f"{API}/datasets/{name}/slices?split=unlabelled&cursor={cursor}"

    def deep_runs(chance: random.Random) -> str:
        row = chance.choice(runs)
        return f"{API}/runs?cursor={quote(cursor_of((row.at, row.id)))}"

    def gallery(chance: random.Random) -> str:
        name, cursor = place(chance)
        return f"/datasets/{name}?split=unlabelled&cursor={cursor}"

    return {
        "list slices": lambda chance: f"{API}/datasets/{dataset(chance)}/slices",
        "filter by split": lambda chance: f"{API}/datasets/{dataset(chance)}/slices?split=test",
        "list slices, deep cursor": deep,
        "a slice": lambda chance: f"{API}/datasets/{slice_of(chance)}",
        "its labels": lambda chance: f"{API}/datasets/{slice_of(chance)}/labels",
        "list runs": lambda _: f"{API}/runs",
        "list runs of a data set": lambda chance: f"{API}/runs?dataset={dataset(chance)}",
        "list runs, deep cursor": deep_runs,
        "a run": lambda chance: f"{API}/runs/{chance.choice(runs).id}",
        "data sets": lambda _: f"{API}/datasets",
        "page of runs": lambda _: "/",
        "page of a run": lambda chance: f"/runs/{chance.choice(runs).id}",
        "page of data sets": lambda _: "/datasets",
        "gallery, deep cursor": gallery,
        "page of a slice": lambda chance: f"/datasets/{slice_of(chance)}",
        "a slice as a picture, 256 pixels": lambda chance: chance.choice(pictures),
    }


def measure(
    served: Served, url: str, cookies: list[str], asked: Paths, *, seconds: float, think_s: float
) -> Figures:
    """What `CLIENTS` see for so long, each of whom waits `think_s` on average after each answer (0: not at all)."""
    before = (served.cpu_s, database_cpu_s(url), time.process_time())
    began = time.perf_counter()
    times = asyncio.run(_crowd(served.port, cookies[:CLIENTS], asked, seconds, think_s))
    wall_s = time.perf_counter() - began
    after = (served.cpu_s, database_cpu_s(url), time.process_time())
    service, database, clients = (now - then for now, then in zip(after, before, strict=True))
    return Figures(
        times_s=times,
        wall_s=wall_s,
        service_cpu_s=service,
        database_cpu_s=database,
        clients_cpu_s=clients,
    )


async def _crowd(
    port: int, cookies: list[str], asked: Paths, seconds: float, think_s: float
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    ends_at = time.perf_counter() + seconds

    async def client(number: int) -> None:
        chance = random.Random(number)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        names = list(asked)
        while time.perf_counter() < ends_at:
            chance.shuffle(names)
            for name in names:
                if think_s:
                    await asyncio.sleep(chance.expovariate(1 / think_s))
                path = asked[name](chance)
                began = time.perf_counter()
                if began >= ends_at:
                    break
                status = await asyncio.wait_for(_get(reader, writer, path, cookies[number]), _PATIENCE_S)
                assert status == 200, (status, path)
                times[name].append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(len(cookies))))
    return dict(times)


async def _get(reader: asyncio.StreamReader, writer: Any, path: str, cookie: str) -> int:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
