"""Queries on the audit trail, a chain: each entry's hash is over its content and the hash of the entry before.

Whoever changes, removes or reorders entries breaks the chain, unless they compute all of it anew from there; that shows
where an earlier head was noted elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update

from maskloom.platform.audit_facts import Act, Broken, Entry, Head, Sought
from maskloom.platform.catalog.audit_schema import audit, audit_head
from maskloom.platform.fingerprint import fingerprint, plain

_PORTION = 1000
EMPTY = Head(number=0, hash="")
_ALL = Sought()


def append(connection: Connection, act: Act) -> None:
    """Add an entry. Others that add one wait for the end of this transaction: let it be the last thing in it."""
    row = connection.execute(select(audit_head).with_for_update()).one()
    # The time after the lock: it grows from entry to entry.
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    content = plain(asdict(act)) | {"number": row.number + 1, "at": at, "previous": row.hash}
    entry = content | {"hash": _hash(content)}
    connection.execute(insert(audit).values(entry))
    connection.execute(update(audit_head).values(number=entry["number"], hash=entry["hash"]))


def head(connection: Connection) -> Head:
    """The newest entry, as it was noted when it was added; number 0 where nothing ever was."""
    row = connection.execute(select(audit_head)).one()
    return Head(number=row.number, hash=row.hash)


def entries(
    connection: Connection, after: int = 0, limit: int | None = None, sought: Sought = _ALL
) -> Iterator[Entry]:
    """The entries after that number (at most `limit` of them), oldest first, read a thousand at a time."""
    left = limit
    while left is None or left > 0:
        portion = _PORTION if left is None else min(left, _PORTION)
        query = _sought(sought).where(audit.c.number > after).order_by(audit.c.number).limit(portion)
        rows = connection.execute(query).all()
        yield from map(_entry, rows)
        if len(rows) < portion:
            return
        after = rows[-1].number
        left = None if left is None else left - portion


def newest(connection: Connection, before: int | None, limit: int, sought: Sought = _ALL) -> list[Entry]:
    """The next `limit` entries before that number (None: the newest), newest first."""
    query = _sought(sought)
    if before is not None:
        query = query.where(audit.c.number < before)
    return [_entry(row) for row in connection.execute(query.order_by(audit.c.number.desc()).limit(limit))]


def actions(connection: Connection) -> list[str]:
    """What has ever been done, by name, found by going from one to the next: the trail is long and its kinds are few."""
    first = select(func.min(audit.c.action).label("action")).cte("kinds", recursive=True)
    other = select(func.min(audit.c.action)).where(audit.c.action > first.c.action).scalar_subquery()
    kinds = first.union_all(select(other).where(first.c.action.is_not(None)))
    found = connection.execute(select(kinds.c.action).where(kinds.c.action.is_not(None)))
    return list(found.scalars())


def _sought(sought: Sought) -> Select[tuple[Any, ...]]:
    query = select(audit)
    if sought.who is not None:
        query = query.where(audit.c.who == sought.who)
    if sought.action is not None:
        kind = audit.c.action.startswith(f"{sought.action}.", autoescape=True)
        query = query.where(or_(audit.c.action == sought.action, kind))
    if sought.dataset is not None:
        query = query.where(audit.c.dataset == sought.dataset)
    if sought.since is not None:
        query = query.where(audit.c.at >= sought.since)
    if sought.until is not None:
        query = query.where(audit.c.at < sought.until)
    return query


def verify(connection: Connection, noted: Head = EMPTY) -> Head | Broken:
    """The head of the trail where all of it holds, and `noted`, a head of former days, is in it; else where it does not."""
    last = EMPTY
    # Before the entries: those that are added meanwhile come after it.
    kept = head(connection)
    for entry in entries(connection):
        broken = _broken(entry, last)
        if broken is not None:
            return broken
        last = Head(number=entry.number, hash=entry.hash)
        if last.number == noted.number and last.hash != noted.hash:
            return Broken(
                number=last.number, reason="it is not the entry that was noted: the trail was written anew"
            )
        if last.number == kept.number and last.hash != kept.hash:
            return Broken(
                number=last.number, reason="it is not the entry that was added: the trail was written anew"
            )
    if last.number < max(kept.number, noted.number):
        return Broken(number=last.number + 1, reason="it was removed, with every entry after it")
    return last


def _broken(entry: Entry, last: Head) -> Broken | None:
    if entry.number != last.number + 1:
        return Broken(number=last.number + 1, reason="it was removed")
    if entry.previous != last.hash:
        return Broken(number=entry.number, reason="it does not follow the entry before it")
    content = asdict(entry.act) | {"number": entry.number, "at": entry.at, "previous": entry.previous}
    if _hash(content) != entry.hash:
        return Broken(number=entry.number, reason="it was changed")
    return None


def _hash(content: dict[str, Any]) -> str:
    return fingerprint(content | {"at": content["at"].astimezone(UTC).isoformat(timespec="microseconds")})


def _entry(row: Row[Any]) -> Entry:
    act = Act(
        who=row.who,
        via=row.via,
        address=row.address,
        action=row.action,
        target=row.target,
        dataset=row.dataset,
        detail=row.detail,
    )
    return Entry(number=row.number, at=row.at, act=act, previous=row.previous, hash=row.hash)
