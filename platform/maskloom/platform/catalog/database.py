"""The connection to PostgreSQL: transactions that survive a lost connection, and the schema brought up to date.

A lost server (killed, restarted, failed over) is waited for, for `patience_s`; then CatalogUnavailable. Work handed to
`transaction` may run again after a loss, also after its COMMIT was sent and not answered, so it has to be idempotent.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg2
import tenacity
from psycopg2.extensions import connection as PgConnection
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from maskloom.platform.errors import CatalogUnavailable

T = TypeVar("T")
_log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")
_REFUSALS = ("does not exist", "authentication failed", "no pg_hba.conf entry", "not permitted to log in")
"""What PostgreSQL says to a wrong MASKLOOM_DATABASE_URL, when it speaks English: no use in waiting."""
_SILENCE_S = 3.0
"""Waiting for a lost server longer than that is said."""
_IDLE_S = 1.0
"""A connection that was unused for longer is tried before it is used. One that was lost since is missed by `transaction`."""
_CONNECTIONS = 16
"""At most. They are kept: to open one takes as long as ten queries."""
_MIGRATION_LOCK = 7_220_451  # any constant: serialises processes that bring one schema up to date


class Database:
    """One PostgreSQL database. `url` is asked anew for every connection: an embedded server may have moved."""

    def __init__(self, url: Callable[[], str], *, patience_s: float = 60.0) -> None:
        self._url = url
        self._patience_s = patience_s
        self._closed = threading.Event()
        self._engine = create_engine(
            "postgresql+psycopg2://", creator=self._connect, pool_size=_CONNECTIONS, max_overflow=0
        )
        event.listen(self._engine, "checkout", self._try_idle)
        event.listen(self._engine, "checkin", _note_use)

    def _connect(self) -> PgConnection:
        url = make_url(self._url())
        # The catalog answers in milliseconds or not at all; keepalives find a peer that vanished without a word.
        return psycopg2.connect(
            host=url.query.get("host") or url.host,
            port=url.query.get("port") or url.port,
            user=url.username,
            password=url.password,
            dbname=url.database,
            connect_timeout=10,
            keepalives_idle=15,
            keepalives_interval=5,
            keepalives_count=3,
            application_name="maskloom",
            options="-c timezone=UTC",
        )

    def _try_idle(self, connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", -math.inf) > _IDLE_S:
            try:
                self._engine.dialect.do_ping(connection)
            except psycopg2.Error as error:
                raise InvalidatePoolError from error

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, committed. Runs `work` again when the connection was lost; other errors roll back."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_lost),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            stop=tenacity.stop_after_delay(self._patience_s) | tenacity.stop_when_event_set(self._closed),
            before_sleep=self._wait_aloud(),
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt, self._engine.begin() as connection:
                    return work(connection)
        except (OperationalError, InterfaceError) as error:
            raise CatalogUnavailable(
                f"the catalog database does not answer: {_first_line(error)}",
                hint="Check that PostgreSQL runs and that MASKLOOM_DATABASE_URL is right, then run the command again: "
                "it goes on where it stopped.",
            ) from error
        raise AssertionError("unreachable: the loop returns or raises")

    def _wait_aloud(self) -> Callable[[tenacity.RetryCallState], None]:
        said = False

        def say_once(state: tenacity.RetryCallState) -> None:
            nonlocal said
            if not said and (state.seconds_since_start or 0) > _SILENCE_S and state.outcome:
                said = True
                reason = _first_line(state.outcome.exception())
                _log.warning(
                    "the catalog database does not answer (%s): trying for %.0f s", reason, self._patience_s
                )

        return say_once

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in a transaction that is not retried, for reading."""
        with self._engine.begin() as connection:
            yield connection

    def check(self) -> None:
        """Raise CatalogUnavailable when the server does not answer at once: nothing is waited for."""
        try:
            with self.connection() as connection:
                connection.scalar(text("select 1"))
        except (DBAPIError, psycopg2.Error) as error:
            raise CatalogUnavailable(f"the catalog database does not answer: {_first_line(error)}") from error

    def migrate(self) -> None:
        """Bring the schema to this version of maskloom. Safe from several processes at once."""
        from alembic.script import ScriptDirectory  # noqa: PLC0415 - half a second that finished runs need not pay

        head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        if self.transaction(_schema_version) != head:
            self.transaction(_upgrade)

    def schema_version(self) -> str | None:
        """The newest migration that was applied; None before the first."""
        return self.transaction(_schema_version)

    def close(self) -> None:
        """Give all connections back and stop waiting for a lost server."""
        self._closed.set()
        self._engine.dispose()


def _note_use(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _is_lost(error: BaseException) -> bool:
    """Whether it is worth another try: the server is away, not merely of another opinion."""
    if any(refusal in str(error) for refusal in _REFUSALS):
        return False
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return isinstance(error, psycopg2.OperationalError)


def _first_line(error: BaseException | None) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _schema_version(connection: Connection) -> str | None:
    if connection.scalar(text("select to_regclass('alembic_version')")) is None:
        return None
    version: str | None = connection.scalar(text("select version_num from alembic_version"))
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
