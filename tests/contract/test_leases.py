"""Leases: one holder at a time, found out when it dies, and fenced off when it comes back late."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import psutil
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from maskloom.platform.catalog import leases
from maskloom.platform.catalog.database import Database
from maskloom.platform.catalog.keeper import LeaseKeeper
from maskloom.platform.catalog.leases import Holder, Lease

CLOCK_OF_LATER = """
create function later.clock_timestamp() returns timestamptz language sql
as $$ select pg_catalog.clock_timestamp() + interval '1 hour' $$
"""
RACERS = 16
RACE = """
import json, os, sys
from maskloom.platform.catalog import leases
from maskloom.platform.catalog.database import Database

together, begin = os.pipe()
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        os.close(begin)
        os.read(together, 1)
        database = Database(lambda: sys.argv[1])
        answer = database.transaction(lambda c: leases.acquire(c, "prize", leases.this_process()))
        os.write(1, (json.dumps([os.getpid(), type(answer).__name__, getattr(answer, "pid", 0)]) + "\\n").encode())
        os.read(0, 1)  # a holder that ends loses its lease
        os._exit(0)
os.close(begin)
for _ in range(int(sys.argv[2])):
    os.wait()
"""


@pytest.fixture
def database(catalog_url: str) -> Iterator[Database]:
    made = Database(lambda: catalog_url)
    made.migrate()
    yield made
    made.close()


@contextmanager
def another_process() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A living process, and its name as a holder."""
    with subprocess.Popen(["sleep", "600"]) as process:
        name = json.loads(leases.this_process())
        name |= {"pid": process.pid, "started": psutil.Process(process.pid).create_time()}
        yield process, json.dumps(name)
        process.kill()


def acquire(database: Database, holder: str, name: str = "prize") -> Lease | Holder:
    return database.transaction(lambda connection: leases.acquire(connection, name, holder))


def test_of_sixteen_processes_one_gets_it(database: Database, catalog_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RACE, catalog_url, str(RACERS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        answers = [json.loads(process.stdout.readline()) for _ in range(RACERS)]
        process.stdin.close()
    (winner,) = [pid for pid, answer, _ in answers if answer == "Lease"]
    assert {holder for _, answer, holder in answers if answer == "Holder"} == {winner}


def test_the_epoch_only_grows(database: Database) -> None:
    with another_process() as (process, name):
        epochs = []
        for holder in (leases.this_process(), leases.this_process(), name):
            if holder == name:
                database.transaction(lambda c: leases.release(c, Lease(name="prize", epoch=epochs[-1])))
            lease = acquire(database, holder)
            assert isinstance(lease, Lease)
            epochs.append(lease.epoch)
        process.kill()
        process.wait()
        last = acquire(database, leases.this_process())
        assert isinstance(last, Lease)
        epochs.append(last.epoch)
    assert epochs == sorted(set(epochs))


def test_a_living_holder_is_named_and_keeps_it(database: Database) -> None:
    with another_process() as (process, name):
        assert isinstance(acquire(database, name), Lease)
        holder = acquire(database, leases.this_process())
        assert isinstance(holder, Holder)
        assert str(holder) == f"process {process.pid} on {os.uname().nodename}"
        assert 0 < holder.seconds_left <= leases.LEASE_S


def test_a_dead_holder_loses_it_at_once(database: Database) -> None:
    with another_process() as (process, name):
        acquire(database, name)
        process.kill()
        # Still a zombie: nobody has waited for it, as with a killed child of a living shell.
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert isinstance(acquire(database, leases.this_process()), Lease)


def test_a_process_id_that_was_used_again_is_no_holder(database: Database) -> None:
    with another_process() as (_, name):
        acquire(database, json.dumps(json.loads(name) | {"started": 1.0}))
        assert isinstance(acquire(database, leases.this_process()), Lease)


@pytest.mark.parametrize("elsewhere", [{"boot": "another machine"}, {"namespace": "another container"}])
def test_a_holder_elsewhere_keeps_it_until_it_expires(elsewhere: dict[str, str], database: Database) -> None:
    stranger = json.dumps(json.loads(leases.this_process()) | elsewhere | {"pid": 4_000_000})
    acquire(database, stranger)
    assert isinstance(acquire(database, leases.this_process()), Holder)
    expire(database)
    assert isinstance(acquire(database, leases.this_process()), Lease)


def expire(database: Database) -> None:
    past = text("update leases set expires_at = clock_timestamp() - interval '1 ms'")
    database.transaction(lambda connection: connection.execute(past))


def test_the_databases_clock_decides(database: Database, catalog_url: str) -> None:
    with another_process() as (_, name):
        acquire(database, name)
        assert isinstance(acquire(database, leases.this_process()), Holder)
        # A database whose clock has gone on by an hour, while ours has not.
        for statement in (
            "create schema later",
            CLOCK_OF_LATER,
            f"alter database {catalog_url.rpartition('/')[2]} set search_path = later, public, pg_catalog",
        ):
            database.transaction(lambda connection, s=statement: connection.execute(text(s)))
        later = Database(lambda: catalog_url)
        assert isinstance(acquire(later, leases.this_process()), Lease)
        later.close()


def taken_over(database: Database, name: str) -> tuple[Lease, Lease]:
    """A lease that was lost while its holder was away, and that of its heir."""
    lost = acquire(database, name)
    expire(database)
    heir = acquire(database, leases.this_process())
    assert isinstance(lost, Lease)
    assert isinstance(heir, Lease)
    return lost, heir


def test_who_lost_it_can_do_nothing_more_with_it(database: Database) -> None:
    connect = database.transaction
    with another_process() as (_, name):
        lost, heir = taken_over(database, name)
        with pytest.raises(LookupError):
            connect(lambda c: leases.finish(c, lost))
        with pytest.raises(LookupError):
            connect(lambda c: leases.set_progress(c, lost, "blob"))
        with pytest.raises(LookupError):
            connect(lambda c: leases.confirm(c, lost))
        connect(lambda c: leases.confirm(c, heir))
        assert connect(lambda c: leases.progress(c, "prize")) is None
        assert connect(lambda c: leases.renew(c, [lost, heir])) == [lost]
        connect(lambda c: leases.note(c, lost, {"said": "late"}))
        connect(lambda c: leases.release(c, lost))
        held = connect(lambda c: leases.current(c, "prize"))
        assert held is not None
        assert held[0].pid == os.getpid()
        assert held[1] == {}


def test_a_late_renewal_does_not_bring_it_back(database: Database) -> None:
    connect = database.transaction
    lease = acquire(database, leases.this_process())
    assert isinstance(lease, Lease)
    connect(lambda c: leases.release(c, lease))
    assert connect(lambda c: leases.renew(c, [lease])) == [lease]
    assert connect(lambda c: leases.current(c, "prize")) is None


@pytest.mark.parametrize("check", [leases.finish, leases.confirm])
def test_a_commit_that_has_checked_its_lease_cannot_be_overtaken(
    check: Callable[[Connection, Lease], str | None], database: Database
) -> None:
    with another_process() as (_, name):
        lease = acquire(database, name)
        assert isinstance(lease, Lease)
        with database.connection() as committing:
            assert check(committing, lease) is None
            with database.connection() as other:
                other.execute(text("set local lock_timeout = '200ms'"))
                with pytest.raises(OperationalError, match="lock timeout"):
                    leases.acquire(other, "prize", leases.this_process())
                other.rollback()


def test_progress_stays_with_the_name(database: Database) -> None:
    connect = database.transaction
    with another_process() as (process, name):
        lease = acquire(database, name)
        assert isinstance(lease, Lease)
        assert connect(lambda c: leases.set_progress(c, lease, "first")) is None
        assert connect(lambda c: leases.set_progress(c, lease, "second")) == "first"
        process.kill()
        process.wait()
        acquire(database, leases.this_process())
        assert connect(lambda c: leases.progress(c, "prize")) == "second"


def test_work_that_is_done_leaves_no_progress_and_no_holder(database: Database) -> None:
    connect = database.transaction
    lease = acquire(database, leases.this_process())
    assert isinstance(lease, Lease)
    connect(lambda c: leases.set_progress(c, lease, "half"))
    connect(lambda c: leases.note(c, lease, {"said": "half"}))
    assert connect(lambda c: leases.finish(c, lease)) == "half"
    assert connect(lambda c: leases.progress(c, "prize")) is None
    assert connect(lambda c: leases.current(c, "prize")) is None
    with pytest.raises(LookupError):
        connect(lambda c: leases.set_progress(c, lease, "late"))
    with pytest.raises(LookupError):
        connect(lambda c: leases.finish(c, lease))


def test_a_keeper_keeps_it_and_says_what_goes_on(database: Database) -> None:
    main, other = (
        acquire(database, leases.this_process(), "run"),
        acquire(database, leases.this_process(), "step"),
    )
    assert isinstance(main, Lease)
    assert isinstance(other, Lease)
    beats: list[int] = []
    keeper = LeaseKeeper(database, main, lambda _connection: beats.append(1))
    expire_soon = text("update leases set expires_at = clock_timestamp() + interval '5 s'")
    with keeper.keeping(other):
        keeper.say({"kind": "train", "done": 3})
        database.transaction(lambda connection: connection.execute(expire_soon))
        wait_until(lambda: all(left > 6 for left in seconds_left(database).values()))
    keeper.close()
    held = database.transaction(lambda c: leases.current(c, "run"))
    assert held is not None
    assert held[1] == {"kind": "train", "done": 3}
    assert beats


def test_a_keeper_outlives_a_lost_connection(database: Database) -> None:
    main = acquire(database, leases.this_process(), "run")
    assert isinstance(main, Lease)
    keeper = LeaseKeeper(database, main)

    def disconnect_and_shorten(connection: Connection) -> None:
        connection.execute(text("update leases set expires_at = clock_timestamp() + interval '5 s'"))
        connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        )

    database.transaction(disconnect_and_shorten)
    wait_until(lambda: seconds_left(database)["run"] > 6)
    keeper.close()


def test_a_keeper_tells_when_somebody_else_has_it(database: Database) -> None:
    main = acquire(database, leases.this_process(), "run")
    assert isinstance(main, Lease)
    kept, lost = Event(), Event()
    keeper = LeaseKeeper(database, main, lambda _connection: kept.set(), lost.set)
    kept.wait()
    assert not lost.is_set()
    acquire(database, leases.this_process(), "run")
    lost.wait()
    keeper.close()


def seconds_left(database: Database) -> dict[str, float]:
    query = text("select name, extract(epoch from expires_at - clock_timestamp()) from leases")
    return database.transaction(lambda c: {name: float(left) for name, left in c.execute(query)})


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)
