"""Transactions on a PostgreSQL that dies, stays away or cannot be reached."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from maskloom.platform.catalog.database import Database
from maskloom.platform.embedded import EmbeddedPostgres
from maskloom.platform.errors import CatalogUnavailable
from support.proxies import Answer, BreakingProxy
from support.stage import postmaster, until_gone

INSERT = text(
    "insert into blobs (digest, size_bytes, media_type) values (:digest, 1, 'x') on conflict do nothing"
)


def blobs(connection: Connection) -> list[str]:
    """The digests of all blobs."""
    return sorted(connection.execute(text("select digest from blobs")).scalars())


def test_an_error_of_the_work_rolls_back_and_is_not_retried(database: Database) -> None:
    runs = 0

    def work(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        connection.execute(INSERT, {"digest": "x"})
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        database.transaction(work)
    assert runs == 1
    assert database.transaction(blobs) == []


@pytest.mark.parametrize("moment", ["before a statement", "before the commit"])
def test_a_transaction_survives_the_death_of_the_server(moment: str, maskloom_home: Path) -> None:
    embedded = EmbeddedPostgres(maskloom_home)
    database = Database(embedded.ensure)
    database.migrate()
    runs = 0

    def work(connection: Connection) -> int:
        nonlocal runs
        runs += 1
        if runs == 1 and moment == "before a statement":
            kill_server(maskloom_home)
        connection.execute(INSERT, {"digest": "x"})
        if runs == 1 and moment == "before the commit":
            kill_server(maskloom_home)
        return runs

    assert database.transaction(work) == 2
    assert database.transaction(blobs) == ["x"]
    database.close()
    embedded.release()


@pytest.mark.parametrize("answer", ["passed on", "lost"])
@pytest.mark.parametrize("server", ["killed", "alive"])
def test_a_transaction_survives_a_loss_at_commit(server: str, answer: Answer, maskloom_home: Path) -> None:
    embedded = EmbeddedPostgres(maskloom_home)
    embedded.ensure()
    between = maskloom_home / "between"
    between.mkdir()
    proxy = BreakingProxy((maskloom_home / "postgres").resolve() / "data" / ".s.PGSQL.5432", between)

    def url() -> str:
        embedded.ensure()
        return f"postgresql+psycopg2://maskloom@/postgres?host={between}&port=5432"

    database = Database(url)
    database.migrate()
    for number in range(3):
        proxy.break_next(
            (lambda: kill_server(maskloom_home)) if server == "killed" else (lambda: None), answer=answer
        )
        database.transaction(lambda connection, n=number: connection.execute(INSERT, {"digest": f"{n}"}))
    assert proxy.broken == 3
    assert database.transaction(blobs) == ["0", "1", "2"]
    database.close()
    proxy.close()
    embedded.release()


def test_a_server_that_stays_away_is_told_of(catalog_url: str) -> None:
    nowhere = catalog_url.replace(catalog_url.split("@")[1].split("/", maxsplit=1)[0], "127.0.0.1:1")
    database = Database(lambda: nowhere, patience_s=0.5)
    with pytest.raises(CatalogUnavailable, match="does not answer") as caught:
        database.transaction(blobs)
    assert "refused" in str(caught.value)
    assert "MASKLOOM_DATABASE_URL" in caught.value.hint
    assert "test-password" not in str(caught.value) + caught.value.hint


def test_a_wrong_database_is_told_of_at_once(catalog_url: str) -> None:
    database = Database(lambda: catalog_url + "_not")
    with pytest.raises(CatalogUnavailable, match="does not exist"):
        database.transaction(blobs)


def test_closing_ends_the_wait_for_a_lost_server(catalog_url: str) -> None:
    nowhere = make_url(catalog_url).set(port=1).render_as_string(hide_password=False)
    database = Database(lambda: nowhere, patience_s=3600)
    refused: list[BaseException] = []

    def wait() -> None:
        with pytest.raises(CatalogUnavailable) as caught:
            database.transaction(blobs)
        refused.append(caught.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.5)
    database.close()
    waiting.join(timeout=30)
    assert len(refused) == 1


def test_a_lost_connection_is_replaced(catalog_url: str) -> None:
    database = Database(lambda: catalog_url)
    database.migrate()
    administrator = create_engine(catalog_url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        )
    administrator.dispose()
    assert database.transaction(blobs) == []
    database.close()


def kill_server(home: Path) -> None:
    """kill -9 the embedded PostgreSQL, and wait until it is gone."""
    process = postmaster(home)
    assert process is not None
    process.kill()
    until_gone([process])
