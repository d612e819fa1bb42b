"""A catalog of ten thousand slices: what pages ask reads no more than they show, and summaries say what the facts say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from sqlalchemy import Connection, text

from bench import multitude, streams
from bench.served import Served, sign_in
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import labels, run_lists, runs, slices, steps, tickets
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Priority, Ticket
from maskloom.platform.settings import Settings
from maskloom.services.api.serving import serving
from maskloom.services.records import run_record
from support.servers import PostgresServer, remove_home, short_folder

SLICES = 10_000
MOST_ROWS = 1500
"""Slices, labels, blobs and steps are more; most runs have 21 steps, and a portion up to 100 slices."""
LARGEST = multitude.LARGEST
FIRST = ("patient 2", 0, "")

SUMMARIES = {
    "slice_counts": (
        "select dataset, split, slices from slice_counts",
        "select dataset, split, count(*) from slices group by dataset, split",
    ),
    "newest_events": (
        "select run, event, kind from newest_events",
        "select distinct on (run) run, id, kind from run_events order by run, id desc",
    ),
    "step_counts": (
        "select step, labels, gated, kept from step_counts",
        """
        select step, coalesce(l.number, 0), coalesce(g.number, 0), coalesce(g.kept, 0)
        from (select step, count(*) as number from label_versions where step is not null group by step) l
        full join (
            select step, count(*) as number, count(*) filter (where kept) as kept from gate_decisions group by step
        ) g using (step)
        """,
    ),
}


@pytest.fixture(scope="module")
def platform(postgres_server: PostgresServer) -> Iterator[Platform]:
    home = short_folder()
    postgres_server.execute("CREATE DATABASE large_catalog")
    url = postgres_server.url.removesuffix("postgres") + "large_catalog"
    with open_platform(Settings(home=home, database_url=url)) as opened:
        multitude.fill(opened, SLICES)
        yield opened
    postgres_server.execute("DROP DATABASE large_catalog WITH (FORCE)")
    remove_home(home)


def a_run(connection: Connection, order: str = "asc") -> str:
    """The one with the fewest steps, as most are, or with the most."""
    query = f"select run from run_steps group by run order by count(*) {order}, run limit 1"
    return str(connection.scalar(text(query)))


LOOKS: dict[str, Callable[[Connection, str], Any]] = {
    "slices": lambda c, _: slices.page(c, LARGEST, Split.UNLABELLED, FIRST, 100),
    "slices of a small split": lambda c, _: slices.page(c, LARGEST, Split.TEST, None, 100),
    "neighbours": lambda c, _: slices.neighbours(c, slices.page(c, LARGEST, Split.UNLABELLED, FIRST, 1)[0]),
    "a slice by name": lambda c, _: slices.find(c, LARGEST, "patient_3_007.png"),
    "counts": lambda c, _: slices.counts_of_each(c, list(multitude.SHARES)),
    "masks that count": lambda c, _: labels.strongest(
        c, LARGEST, [one.digest for one in slices.page(c, LARGEST, Split.UNLABELLED, FIRST, 60)]
    ),
    "runs": lambda c, _: run_lists.page(c, list(multitude.SHARES), None, 50),
    "runs by status": lambda c, _: runs.by_status(c),
    "a run": runs.by_id,
    "a run's counts": runs.counts,
    "a run's rounds": runs.rounds_done,
    "a run's steps": steps.of_run,
    "a run's errors": steps.errors_of,
    "a run's evaluations": steps.evaluations_of,
    "what schedulers want": lambda c, _: (tickets.wanted(c), tickets.last_turns(c)),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_reads_a_few_rows(platform: Platform, name: str) -> None:
    def look(connection: Connection) -> int:
        run = a_run(connection)
        before = rows_read(connection)
        assert LOOKS[name](connection, run) is not None
        return rows_read(connection) - before

    assert platform.database.transaction(look) <= MOST_ROWS


def rows_read(connection: Connection) -> int:
    """How many rows of tables this transaction has read so far."""
    query = "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables"
    return int(connection.scalar(text(query)) or 0)


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_says_what_the_facts_say(platform: Platform, name: str) -> None:
    ticket = Ticket(owner="lea", priority=Priority.LOW, workers=1)
    # Once more, and nothing new: what is there already is not counted twice.
    again = platform.database.transaction(lambda c: slices.of_dataset(c, LARGEST, Split.TEST))
    platform.database.transaction(lambda c: slices.add_slices(c, again))
    platform.database.transaction(lambda c: tickets.add(c, a_run(c), ticket))
    kept, counted = platform.database.transaction(
        lambda c: tuple({tuple(row) for row in c.execute(text(query))} for query in SUMMARIES[name])
    )
    assert kept == counted
    assert kept


def test_a_run_record_counts_what_it_made(platform: Platform) -> None:
    run = platform.database.transaction(lambda c: runs.by_id(c, a_run(c, "desc")))
    assert run is not None
    made = "select count(*) from label_versions l join run_steps r on r.step = l.step where r.run = :run"
    labels_made = platform.database.transaction(lambda c: c.scalar(text(made), {"run": run.id}))
    counts = run_record(platform, run)["counts"]
    assert counts["labels"] == counts["gated"] == labels_made
    assert 0 < counts["kept"] < labels_made


def test_every_stream_is_told_every_event_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("STREAMS", 20), ("RUNS", 5), ("EVENTS_PER_S", 40.0), ("CUT_EVERY_S", 0.7)):
        monkeypatch.setattr(streams, name, value)
    monkeypatch.setattr(streams, "_SETTLE_S", 2.0)
    with serving(platform) as url:
        served = Served(port=urlsplit(url).port or 0, process=psutil.Process(), ready_s=0.0)
        found = streams.measure(platform, served, sign_in(platform, 3), seconds=2.0)
    assert (found.missing, found.twice, found.out_of_order) == (0, 0, 0)
    assert found.told == found.made * 4
    assert found.made > 0
    assert found.reopened > 0
