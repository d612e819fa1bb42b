"""Insert many rows at once. As arrays they take a fifth of the time that they would take as rows of values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

_PORTION = 10_000


def insert_many(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert `rows`, which all have the same columns and no arrays; one that is there already stays as it is."""
    for first in range(0, len(rows), _PORTION):
        portion = rows[first : first + _PORTION]
        columns = tuple(portion[0])
        values = {name: _as_sent(table, name, [row[name] for row in portion]) for name in columns}
        connection.execute(_statement(table, columns), values)


def _as_sent(table: Table, column: str, values: list[Any]) -> list[Any]:
    if isinstance(table.c[column].type, JSONB):
        return [None if value is None else json.dumps(value) for value in values]
    return values


@cache
def _statement(table: Table, columns: tuple[str, ...]) -> TextClause:
    types = [table.c[name].type.compile(postgresql.dialect()) for name in columns]  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"cast(:{name} as {type_}[])" for name, type_ in zip(columns, types, strict=True))
    names = ", ".join(f'"{name}"' for name in columns)
    return text(
        f"insert into {table.name} ({names}) select * from unnest({arrays}) as row ({names}) on conflict do nothing"
    )
