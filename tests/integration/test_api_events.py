"""Following a run: every event once, in its order, whoever comes late, goes away and comes back."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.platform.catalog import runs
from maskloom.platform.run_facts import Run
from maskloom.services.api import events, feed
from support.following import Event, following
from support.real_networks import untrained_recipe
from support.servers import PostgresServer
from support.service import ADMIN, API, OPEN, Service, served

COUNT = 40


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


@pytest.fixture
def run(service: Service, request: pytest.FixtureRequest) -> Run:
    seed = zlib.crc32(request.node.name.encode())
    return drive.create(service.platform, untrained_recipe(), OPEN, seed=seed)[0]


def address(service: Service, run: Run) -> str:
    return f"{service.url}{API}/runs/{run.id}/events"


def happen(service: Service, run: Run, number: int) -> None:
    service.platform.database.transaction(lambda c: runs.add_event(c, run.id, "queued", {"number": number}))


def numbers(found: list[Event]) -> list[int]:
    return [event.content["detail"]["number"] for event in found]


def test_what_was_and_what_comes_is_told_once_and_in_order(service: Service, run: Run) -> None:
    for number in range(3):
        happen(service, run, number)
    with following(address(service, run), service.as_("vera").cookie) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert numbers(stream.take(3)) == [0, 1, 2]
        for number in range(3, 6):
            happen(service, run, number)
        assert numbers(stream.take(3)) == [3, 4, 5]


def test_who_comes_back_goes_on_where_they_were(service: Service, run: Run) -> None:
    for number in range(4):
        happen(service, run, number)
    cookie = service.as_("vera").cookie
    with following(address(service, run), cookie) as stream:
        last = stream.take(2)[-1].id
    happen(service, run, 4)
    with following(address(service, run), cookie, last) as stream:
        assert numbers(stream.take(3)) == [2, 3, 4]


def test_nothing_is_missed_where_many_write_and_many_follow(service: Service, run: Run) -> None:
    cookie = service.as_("vera").cookie

    def follow(_: int) -> list[int]:
        seen: list[int] = []
        last = ""
        while len(seen) < COUNT:
            with following(address(service, run), cookie, last) as stream:
                part = stream.take(min(7, COUNT - len(seen)))
            seen += numbers(part)
            last = part[-1].id
        return seen

    def slowly(connection: Connection, number: int) -> None:
        runs.add_event(connection, run.id, "queued", {"number": number})
        time.sleep(0.02 * (number % 3))  # between its id and its commit

    with ThreadPoolExecutor(12) as pool:
        told = pool.map(follow, range(6))
        list(pool.map(lambda n: service.platform.database.transaction(lambda c: slowly(c, n)), range(COUNT)))
        orders = list(told)
    assert sorted(orders[0]) == list(range(COUNT))
    assert all(order == orders[0] for order in orders)


def test_a_stream_of_nothing_says_that_it_lives_and_ends_with_the_session(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.2)
    browser = service.sign_in("vera")
    with following(address(service, run), browser.cookie) as stream:
        beats = iter(stream)
        assert next(beats) is None
        assert browser.ask("DELETE", "/session").status == 204
        assert list(beats).count(None) <= 5


def test_who_loses_the_role_loses_the_stream(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.2)
    admin = service.as_(ADMIN)
    assert admin.ask("PUT", f"/accounts/sam/roles/{OPEN}", {"role": "viewer"}).status == 200
    with following(address(service, run), service.as_("sam").cookie) as stream:
        beats = iter(stream)
        assert next(beats) is None
        assert admin.ask("DELETE", f"/accounts/sam/roles/{OPEN}").status == 204
        assert list(beats).count(None) <= 5


def test_who_reads_too_slowly_is_ended_and_not_kept(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_MOST_WAITING", 2)
    with following(address(service, run), service.as_("vera").cookie) as stream:
        happen(service, run, 0)
        assert numbers(stream.take(1)) == [0]
        service.platform.database.transaction(
            lambda c: [runs.add_event(c, run.id, "queued", {"number": number}) for number in range(1, 9)]
        )
        found = [event for event in stream if event is not None]
    assert numbers(found) == list(range(1, len(found) + 1)), "what came is without gaps"
    with following(
        address(service, run), service.as_("vera").cookie, found[-1].id if found else ""
    ) as stream:
        rest = stream.take(8 - len(found) if found else 9)
    assert numbers(rest)[-1] == 8


@pytest.mark.parametrize(
    "last", ["x", "1", "-", "1-", "1-999999999999999999", "1" * 19 + "-1", "1-1; drop table"]
)
def test_what_is_no_id_of_an_event_is_refused(service: Service, run: Run, last: str) -> None:
    with following(address(service, run), service.as_("vera").cookie, last) as stream:
        assert stream.status == 422


def test_nobody_looks_where_nobody_follows(service: Service, run: Run) -> None:
    with following(address(service, run), service.as_("vera").cookie) as stream:
        happen(service, run, 0)
        stream.take(1)
        assert looking() == 1
    deadline = time.monotonic() + 30
    while looking() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert looking() == 0


def looking() -> int:
    return sum(thread.name == "news of runs" for thread in threading.enumerate())
