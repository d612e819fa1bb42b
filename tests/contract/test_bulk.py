"""Rows that are inserted by the thousand: as they were given, whatever is in them, and never twice."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from maskloom.platform.catalog import bulk
from maskloom.platform.catalog.bulk import insert_many
from maskloom.platform.catalog.database import Database
from maskloom.platform.catalog.schema import attempt_errors, blobs, quarantine, steps

ODD = ["plain", "", "quote ' \" \\ {braces,}", "NULL", "percent % :colon", "snow ☃\nline"]


def test_values_come_back_as_they_were_given(database: Database) -> None:
    rows = [
        {"dataset": "d", "split": "test", "source": f"{number}.png", "reason": value, "blob": None}
        for number, value in enumerate(ODD)
    ]
    database.transaction(
        lambda c: c.execute(text("insert into datasets (name, classes) values ('d', '{x}')"))
    )
    database.transaction(lambda c: insert_many(c, quarantine, rows))
    with database.connection() as connection:
        found = connection.scalars(text("select reason from quarantine order by source")).all()
    assert found == [row["reason"] for row in rows]


def test_what_is_there_stays_as_it_is(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_PORTION", 3)
    first = [{"digest": f"{number}", "size_bytes": 1, "media_type": "a"} for number in range(5)]
    again = [{"digest": f"{number}", "size_bytes": 2, "media_type": "b"} for number in range(10)]
    database.transaction(lambda c: insert_many(c, blobs, first))
    database.transaction(lambda c: insert_many(c, blobs, again + again))
    with database.connection() as connection:
        found = connection.execute(text("select size_bytes, count(*) from blobs group by 1 order by 1")).all()
    assert [tuple(row) for row in found] == [(1, 5), (2, 5)]


def test_nothing_is_no_error(database: Database) -> None:
    database.transaction(lambda c: insert_many(c, blobs, []))


def test_what_the_schema_refuses_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError):
        database.transaction(lambda c: insert_many(c, attempt_errors, [{"attempt": 7, "error": "x"}]))


def test_json_arrives_as_json(database: Database) -> None:
    values = [{"a": 'quote " and \\ and é'}, [1, 2.5, None], "text", 3]
    database.transaction(
        lambda c: c.execute(
            text(
                "insert into datasets (name, classes) values ('d', '{x}'); "
                "insert into dataset_versions (digest, dataset, size) values ('v', 'd', 0); "
                "insert into runs (id, recipe, dataset, seed, labelled, pool) values ('r', '{}', 'd', 1, 'v', 'v'); "
                "insert into attempts (step, run, epoch, holder) values ('s', 'r', 1, '{}')"
            )
        )
    )
    rows = [
        {"key": f"s{number}", "kind": "train", "identity": value, "output": value, "attempt": 1}
        for number, value in enumerate(values)
    ]
    database.transaction(lambda c: insert_many(c, steps, rows))
    with database.connection() as connection:
        assert connection.scalars(text("select output from steps order by key")).all() == values
