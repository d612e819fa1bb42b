"""Queries on runs that are left to schedulers.

A run is wanted from when it was queued until it ends, fails, or is paused or cancelled; while it waits for a review it is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection, text

from maskloom.platform.catalog import runs
from maskloom.platform.catalog.summary_schema import OPEN_EVENTS
from maskloom.platform.run_facts import Priority, RunStatus, Ticket, Wanted

_WANTED = text(
    f"""
    select t.run, t.id as entry, t.detail, extract(epoch from clock_timestamp() - coalesce(closing.at, last.at)) as since_s,
        (select count(*) from run_events e where e.run = t.run and e.kind = 'died' and e.id > t.id and e.at > coalesce(
            (select max(s.at) from run_steps s where s.run = t.run), '-infinity')) as deaths
    from newest_events newest
    join lateral (
        select run, id, detail, at from run_events q where q.run = newest.run and q.kind = 'queued' order by id desc limit 1
    ) t on true
    join run_events last on last.id = newest.event
    left join review_closings closing on last.kind = 'waiting' and closing.review = last.detail ->> 'review'
    where newest.kind in ({OPEN_EVENTS})
    and not exists (
        select 1 from run_events e
        where e.run = t.run and e.id > t.id and e.kind in ('paused', 'cancelled', 'failed', 'finished')
    ) and (last.kind <> 'waiting' or closing.review is not null)
    order by t.run
    """
)
_LAST_TURNS = text(
    """
    select t.detail ->> 'owner' as owner, extract(epoch from clock_timestamp() - max(s.at)) as since_s
    from run_events s
    join lateral (
        select detail from run_events q where q.run = s.run and q.kind = 'queued' order by id desc limit 1
    ) t on true
    where s.kind = 'started' and s.at > statement_timestamp() - interval '1 day'
    group by 1
    """
)


def add(connection: Connection, run: str, ticket: Ticket) -> None:
    """Leave `run` to whichever scheduler has room for it."""
    runs.add_event(connection, run, "queued", asdict(ticket))


def queue(connection: Connection, run: str, ticket: Ticket) -> bool:
    """Leave `run` to the schedulers unless it has finished; whether it had anything left to do."""
    return bool(queue_all(connection, [run], ticket))


def queue_all(connection: Connection, names: Iterable[str], ticket: Ticket) -> list[str]:
    """`queue` of several runs; those that had anything left to do.

    One that is wanted by that very ticket keeps its place: a new one would have its driver stop, and start again.
    """
    known = {(one.run, one.ticket) for one in wanted(connection)}
    left = [run for run in names if runs.status(connection, run) is not RunStatus.FINISHED]
    for run in left:
        if (run, ticket) not in known:
            add(connection, run, ticket)
    return left


def wanted(connection: Connection) -> list[Wanted]:
    """Every run that a scheduler should see to, whether somebody drives it already or not."""
    return [
        Wanted(
            run=row.run,
            entry=row.entry,
            ticket=Ticket(
                owner=row.detail["owner"],
                priority=Priority(row.detail["priority"]),
                workers=row.detail["workers"],
            ),
            since_s=float(row.since_s),
            deaths=row.deaths,
        )
        for row in connection.execute(_WANTED)
    ]


def last_turns(connection: Connection) -> dict[str, float]:
    """For each owner, how many seconds ago a run of theirs was last started, within a day."""
    return {row.owner: float(row.since_s) for row in connection.execute(_LAST_TURNS)}
