"""The audit trail: what is added stays as it is, and what somebody does to it nevertheless is found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from maskloom.platform.audit_facts import Act, Broken, Head
from maskloom.platform.catalog import audit
from maskloom.platform.catalog.database import Database

COUNT = 7
CONTENT = ("at", "who", "via", "address", "action", "target", "dataset", "detail")
OTHER = {"at": "at + interval '1 microsecond'", "detail": """detail || '{"more": 1}'""", "dataset": "'other'"}


@pytest.fixture
def database(catalog_url: str) -> Iterator[Database]:
    made = Database(lambda: catalog_url)
    made.migrate()
    yield made
    made.close()


def act(number: int) -> Act:
    detail = {"number": number, "text": "'; drop table audit; --\n\u2028 Ünï"}
    return Act(who="ada", via="session", address="::1", action="run.started", target="r", detail=detail)


def fill(database: Database, count: int = COUNT) -> None:
    for number in range(count):
        database.transaction(lambda c, number=number: audit.append(c, act(number)))


def tamper(database: Database, *statements: str) -> None:
    """As somebody with all rights."""

    def do(connection: Connection) -> None:
        for statement in (
            "alter table audit disable trigger all",
            *statements,
            "alter table audit enable trigger all",
        ):
            connection.execute(text(statement))

    database.transaction(do)


def verdict(database: Database, noted: Head | None = None) -> Head | Broken:
    return database.transaction(lambda c: audit.verify(c, noted) if noted else audit.verify(c))


def broken_at(database: Database) -> int:
    found = verdict(database)
    assert isinstance(found, Broken), found
    return found.number


def test_an_empty_trail_holds(database: Database) -> None:
    assert verdict(database) == Head(number=0, hash="")


def test_entries_come_back_as_they_were_and_in_order(database: Database) -> None:
    fill(database)
    entries = database.transaction(lambda c: list(audit.entries(c)))
    assert [entry.act for entry in entries] == [act(number) for number in range(COUNT)]
    assert [entry.number for entry in entries] == list(range(1, COUNT + 1))
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert verdict(database) == Head(number=COUNT, hash=entries[-1].hash)
    assert database.transaction(lambda c: [e.number for e in audit.entries(c, after=2, limit=3)]) == [3, 4, 5]
    assert database.transaction(lambda c: [e.number for e in audit.newest(c, 4, 2)]) == [3, 2]


def test_a_trail_longer_than_a_portion_is_read_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    for portion in (1, 2, COUNT - 1, COUNT):
        monkeypatch.setattr(audit, "_PORTION", portion)
        assert isinstance(verdict(database), Head)
        assert database.transaction(lambda c: len(list(audit.entries(c)))) == COUNT
        assert database.transaction(lambda c: [e.number for e in audit.entries(c, limit=3)]) == [1, 2, 3]


def test_several_at_once_make_one_chain(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fill(database, 10), range(4)))
    found = verdict(database)
    assert isinstance(found, Head)
    assert found.number == 40


def test_what_is_rolled_back_leaves_no_gap(database: Database) -> None:
    fill(database, 2)

    def fail(connection: Connection) -> None:
        audit.append(connection, act(9))
        raise LookupError

    with pytest.raises(LookupError):
        database.transaction(fail)
    fill(database, 1)
    found = verdict(database)
    assert isinstance(found, Head)
    assert found.number == 3


@pytest.mark.parametrize("column", CONTENT)
@pytest.mark.parametrize("number", [1, 4, COUNT])
def test_a_changed_entry_is_found(database: Database, column: str, number: int) -> None:
    fill(database)
    value = OTHER.get(column, "'eve'")
    tamper(database, f"update audit set {column} = {value} where number = {number}")
    assert broken_at(database) == number


@pytest.mark.parametrize("number", range(1, COUNT + 1))
def test_a_removed_entry_is_found(database: Database, number: int) -> None:
    fill(database)
    tamper(database, f"delete from audit where number = {number}")
    assert broken_at(database) == number


def test_a_removed_entry_is_found_where_the_others_move_up(database: Database) -> None:
    fill(database)
    tamper(
        database,
        "delete from audit where number = 3",
        "update audit set number = number - 1 where number > 3",
    )
    assert broken_at(database) == 3


def test_removed_newest_entries_are_found(database: Database) -> None:
    fill(database)
    tamper(database, f"delete from audit where number > {COUNT - 2}")
    assert broken_at(database) == COUNT - 1


def test_all_removed_is_found(database: Database) -> None:
    fill(database)
    tamper(database, "delete from audit")
    assert broken_at(database) == 1


@pytest.mark.parametrize(("one", "other"), [(1, 2), (3, 6), (COUNT - 1, COUNT)])
def test_entries_in_another_order_are_found(database: Database, one: int, other: int) -> None:
    fill(database)
    tamper(
        database,
        f"update audit set number = -1 where number = {one}",
        f"update audit set number = {one} where number = {other}",
        f"update audit set number = {other} where number = -1",
    )
    assert broken_at(database) == one


def test_an_entry_put_in_is_found(database: Database) -> None:
    fill(database)
    tamper(
        database,
        "insert into audit select number + 1, at, who, via, address, action, target, dataset, detail, previous, hash "
        f"from audit where number = {COUNT}",
    )
    assert broken_at(database) == COUNT + 1


def test_a_trail_written_anew_is_found_by_a_noted_head(database: Database) -> None:
    fill(database)
    entries = database.transaction(lambda c: list(audit.entries(c)))
    tamper(database, "delete from audit", "update audit_head set number = 0, hash = ''")
    fill(database, COUNT + 2)
    assert isinstance(verdict(database), Head)
    noted = random.Random(1).choice(entries)
    found = verdict(database, Head(number=noted.number, hash=noted.hash))
    assert isinstance(found, Broken)
    assert found.number == noted.number
    beyond = verdict(database, Head(number=COUNT + 5, hash="0" * 64))
    assert isinstance(beyond, Broken)
    assert beyond.number == COUNT + 3


def test_a_head_that_was_noted_is_still_in_a_trail_that_grew(database: Database) -> None:
    fill(database)
    noted = verdict(database)
    assert isinstance(noted, Head)
    fill(database)
    found = verdict(database, noted)
    assert isinstance(found, Head)
    assert found.number == 2 * COUNT
