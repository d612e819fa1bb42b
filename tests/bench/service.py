"""`make bench-service`: the service over a large catalog and under load, written to docs/benchmarks/service.md.

It takes most of an hour. A short run, which says so on its page: `--slices 100000 --seconds 20 --stream-minutes 1`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import crowd, growth, multitude, service_page, startup, streams
from bench.served import serve, sign_in
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.facts import Split
from maskloom.platform.settings import Settings
from support.painted import ingest_phantom
from support.servers import PostgresServer, execute, remove_home, short_folder

OUT = Path(__file__).parents[2] / "docs/benchmarks/service.md"
_PICTURES = 20
_LEAST = 100_000
_TIMES_FEWER = (100, 10, 1)
"""Three catalogs have so many times fewer slices than was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A catalog that was made for this, and how long that took."""

    platform: Platform
    url: str
    home: Path
    slices: int
    rows: int
    made_s: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--slices", type=int, default=1_000_000, help="in the largest catalog: at least 100000"
    )
    arguments.add_argument("--seconds", type=float, default=120, help="how long each crowd looks")
    arguments.add_argument("--stream-minutes", type=float, default=10)
    arguments.add_argument("--out", type=Path, default=OUT)
    given = arguments.parse_args()
    if given.slices < _LEAST:
        arguments.error(f"a hundredth of {given.slices} slices is too few to have runs")
    server = PostgresServer()
    try:
        text = measure(server, given.slices, given.seconds, given.stream_minutes * 60)
    finally:
        server.stop()
    given.out.write_text(text)
    print(text)


def measure(server: PostgresServer, count: int, seconds: float, stream_s: float) -> str:
    """Everything, on catalogs of up to `count` slices; the page."""
    with ExitStack() as stack:
        catalogs = [stack.enter_context(made(server, count // times)) for times in _TIMES_FEWER]
        largest = catalogs[-1]
        starts = startup.measure(largest.url, largest.home)
        crowds, followed = under_load(largest, seconds, stream_s)
        # The last, since it queues runs, which a scheduler would drive.
        grown = growth.measure({one.slices: one.platform for one in catalogs})
    return service_page.page(
        service_page.Measured(
            made=(largest.slices, largest.rows, largest.made_s),
            crowds=crowds,
            grown=grown,
            followed=followed,
            stream_s=stream_s,
            starts=starts,
            imports=startup.imports_s(),
        )
    )


def under_load(
    catalog: Catalog, seconds: float, stream_s: float
) -> tuple[dict[float, crowd.Figures], streams.Figures]:
    """What a crowd sees that thinks so many seconds, and what streams are told."""
    pixels = ingest_phantom(catalog.platform, catalog.home / "pool", Split.UNLABELLED, _PICTURES, 1)
    pictures = [f"/api/v1/datasets/phantom/slices/{digest}/picture?size=256" for digest in pixels]
    asked = crowd.paths(catalog.platform, pictures)
    cookies = sign_in(catalog.platform, crowd.CLIENTS)
    with serve(catalog.url, catalog.home, "--role", "api") as served:
        crowds = {
            think_s: crowd.measure(served, catalog.url, cookies, asked, seconds=seconds, think_s=think_s)
            for think_s in service_page.THINK_S
        }
    with serve(catalog.url, catalog.home, "--role", "api") as served:
        followed = streams.measure(catalog.platform, served, cookies, seconds=stream_s)
    return crowds, followed


@contextmanager
def made(server: PostgresServer, count: int) -> Iterator[Catalog]:
    """A catalog of so many slices in a database of its own, which is gone afterwards."""
    name = f"slices_{count}"
    server.execute(f"CREATE DATABASE {name}")
    url = server.url.removesuffix("postgres") + name
    home = short_folder()
    with open_platform(Settings(home=home, database_url=url)) as opened:
        began = time.perf_counter()
        rows = multitude.fill(opened, count)
        made_s = time.perf_counter() - began
        # What PostgreSQL does by itself within minutes, which are not waited for here.
        execute(url, "VACUUM ANALYZE")
        yield Catalog(platform=opened, url=url, home=home, slices=count, rows=rows, made_s=made_s)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    remove_home(home)


if __name__ == "__main__":
    main()
