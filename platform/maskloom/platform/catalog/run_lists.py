"""Lists of runs, as people and programs look through them: newest first, a portion at a time, each run in short."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from maskloom.platform.catalog import leases
from maskloom.platform.catalog.runs import EVENT_STATUS, lease_name, status_of
from maskloom.platform.run_facts import RunStatus, RunSummary

# Rounds come one after the other: only the newest may be without its training. So no list has to read all steps of its runs.
_PORTION = """
    with picked as (
        select r.id, r.dataset, r.seed, r.recipe, r.at, r.pool, newest.kind as event
        from runs r left join newest_events newest on newest.run = r.id
        where {wanted}
        order by r.at desc, r.id desc limit :limit
    )
    select picked.id, picked.dataset, picked.seed, cast(picked.recipe as text) as recipe, picked.at, picked.event,
        versions.size as pool, queued.owner, coalesce(rounds.newest - cast(not rounds.trained as int), 0) as rounds_done
    from picked join dataset_versions versions on versions.digest = picked.pool
    left join lateral (
        select detail ->> 'owner' as owner from run_events
        where run = picked.id and kind = 'queued' order by id desc limit 1
    ) queued on true
    left join lateral (
        select taken.round as newest, bool_or(steps.kind = 'train') as trained
        from run_steps taken join steps on steps.key = taken.step
        where taken.run = picked.id and taken.round = (select max(round) from run_steps where run = picked.id)
        group by taken.round
    ) rounds on true
    order by picked.at desc, picked.id desc
"""
_MEASURED = text(
    """
    select taken.run, evaluations.dataset, evaluations.measures -> 'estimates' -> 'dice' as dice
    from run_steps taken join evaluations on evaluations.step = taken.step
    where taken.run = any(:names) and taken.round is null and evaluations.split = 'test'
    order by evaluations.at
    """
)
_LOOKED_THROUGH = 500
"""How many runs are read at a time where their events alone do not tell which are wanted."""


def page(
    connection: Connection,
    datasets: list[str],
    before: tuple[datetime, str] | None,
    limit: int,
    status: RunStatus | None = None,
) -> list[RunSummary]:
    """The next `limit` runs on `datasets` (of one status), newest first, from before the one of that time and id."""
    found: list[RunSummary] = []
    # Of runs that events alone do not tell apart, many may be of the other status.
    portion = limit if status in {None, *EVENT_STATUS.values()} else max(limit, _LOOKED_THROUGH)
    while True:
        rows = _portion(connection, datasets, before, portion, status)
        held = leases.held(connection, [lease_name(row.id) for row in rows])
        measured = connection.execute(_MEASURED, {"names": [row.id for row in rows]})
        dice = {(row.run, row.dataset): row.dice for row in measured}  # the newest
        summaries = [
            _summary(row, driven=lease_name(row.id) in held, dice=dice.get((row.id, row.dataset)))
            for row in rows
        ]
        found += [one for one in summaries if status in {None, one.status}]
        if len(found) >= limit or len(rows) < portion:
            return found[:limit]
        before = rows[-1].at, rows[-1].id


def _portion(
    connection: Connection,
    datasets: list[str],
    before: tuple[datetime, str] | None,
    limit: int,
    status: RunStatus | None,
) -> list[Row[Any]]:
    """Runs whose newest event is one of that status; whether somebody drives those of other events is not known here."""
    wanted = ["r.dataset = any(:datasets)"]
    values: dict[str, Any] = {"datasets": datasets, "limit": limit}
    if before is not None:
        wanted.append("(r.at, r.id) < (:at, :id)")
        values |= {"at": before[0], "id": before[1]}
    if status is not None:
        events = [event for event, said in EVENT_STATUS.items() if said is status]
        wanted.append(f"coalesce(newest.kind, '') {'= any' if events else '<> all'}(:events)")
        values["events"] = events or list(EVENT_STATUS)
    return list(connection.execute(text(_PORTION.format(wanted=" and ".join(wanted))), values))


def _summary(row: Row[Any], *, driven: bool, dice: dict[str, float] | None) -> RunSummary:
    return RunSummary(
        id=row.id,
        dataset=row.dataset,
        seed=row.seed,
        recipe=row.recipe,
        pool=row.pool,
        status=status_of(row.event, driven=driven),
        created_at=row.at,
        owner=row.owner,
        rounds_done=row.rounds_done,
        dice=dice,
    )
