"""Queries on where readers work, and on what was asked of who carries masks to them and answers back."""

from __future__ import annotations

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog.review_schema import review_desks, review_requests


def place(connection: Connection, run: str, reader: str) -> str | None:
    """The address or folder at which a reader of a run works; None before anything was handed out."""
    query = select(review_desks.c.place).where(review_desks.c.run == run, review_desks.c.reader == reader)
    found: str | None = connection.scalar(query.order_by(review_desks.c.id.desc()).limit(1))
    return found


def set_place(connection: Connection, run: str, reader: str, where: str) -> None:
    """Record where a reader of a run works, unless it is known."""
    if place(connection, run, reader) != where:
        connection.execute(insert(review_desks).values(run=run, reader=reader, place=where))


def request(connection: Connection, run: str) -> None:
    """Ask whoever attends to the reviews of a run to carry everything out and back at their next look."""
    connection.execute(insert(review_requests).values(run=run))


def newest_request(connection: Connection, run: str) -> int:
    """The number of the newest request of a run; 0 before the first."""
    query = select(func.max(review_requests.c.id)).where(review_requests.c.run == run)
    return connection.scalar(query) or 0
