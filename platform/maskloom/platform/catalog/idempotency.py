"""Queries on requests that may be sent again: what was asked under a key, and what was answered.

A key belongs to an account, for a day. `claim` and `keep` are in the transaction of the change itself: so there is never
the one without the other, whoever dies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog.idempotency_schema import idempotency_keys as keys

LIFETIME = timedelta(hours=24)
_FORGOTTEN_AT_ONCE = 100
_TOO_OLD = keys.c.at <= func.clock_timestamp() - LIFETIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was done under a key. `request`: the fingerprint of what was asked; `answer`: None where it is not kept."""

    request: str
    answer: dict[str, Any] | None


def claim(connection: Connection, account: str, key: str) -> bool:
    """Take the key until the end of this transaction; False while another one has it. Who dies gives it back."""
    lock = text(
        "select pg_try_advisory_xact_lock(hashtextextended('idempotency ' || :account || ' ' || :key, 0))"
    )
    return bool(connection.scalar(lock, {"account": account, "key": key}))


def kept(connection: Connection, account: str, key: str) -> Kept | None:
    """What was done under that key within a day."""
    query = select(keys.c.request, keys.c.answer).where(
        keys.c.account == account, keys.c.key == key, ~_TOO_OLD
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Kept(request=row.request, answer=row.answer)


def keep(connection: Connection, account: str, key: str, done: Kept) -> None:
    """Keep what was done under a key that this transaction has claimed. Some that are too old are forgotten."""
    old = select(keys.c.account, keys.c.key).where(_TOO_OLD).limit(_FORGOTTEN_AT_ONCE)
    # Those that another transaction forgets just now need not be waited for.
    found = connection.execute(old.with_for_update(skip_locked=True)).all()
    connection.execute(delete(keys).where(tuple_(keys.c.account, keys.c.key).in_(map(tuple, found))))
    row = insert(keys).values(account=account, key=key, request=done.request, answer=done.answer)
    again = {"request": row.excluded.request, "answer": row.excluded.answer, "at": func.clock_timestamp()}
    connection.execute(row.on_conflict_do_update(index_elements=["account", "key"], set_=again))
