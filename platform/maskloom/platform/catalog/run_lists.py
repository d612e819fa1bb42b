"""Lists of runs, as people and programs look through them: newest first, a portion at a time, each run in short."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from maskloom.platform.catalog import leases
from maskloom.platform.catalog.runs import EVENT_STATUS, lease_name, status_of
from maskloom.platform.catalog.schema import dataset_versions, evaluations, run_events, run_steps, runs, steps
from maskloom.platform.catalog.summary_schema import newest_events
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import RunStatus, RunSummary

_OWNER = (
    select(run_events.c.detail["owner"].astext)
    .where(run_events.c.run == runs.c.id, run_events.c.kind == "queued")
    .order_by(run_events.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("owner")
)
# Rounds come one after the other: only the newest may be without its training. So no list has to read all steps of its runs.
_NEWEST_ROUND = (
    select(func.max(run_steps.c.round)).where(run_steps.c.run == runs.c.id).correlate(runs).scalar_subquery()
)
_TRAINED_IN_IT = (
    select(run_steps.c.step)
    .join(steps, steps.c.key == run_steps.c.step)
    .where(run_steps.c.run == runs.c.id, run_steps.c.round == _NEWEST_ROUND, steps.c.kind == "train")
    .correlate(runs)
    .exists()
)
_ROUNDS_DONE = func.coalesce(_NEWEST_ROUND - case((_TRAINED_IN_IT, 0), else_=1), 0).label("rounds_done")

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
        rows = connection.execute(_portion(datasets, before, portion, status)).all()
        held = leases.held(connection, [lease_name(row.id) for row in rows])
        dice = _test_dice(connection, [row.id for row in rows])
        summaries = [_summary(row, driven=lease_name(row.id) in held, dice=dice.get(row.id)) for row in rows]
        found += [one for one in summaries if status in {None, one.status}]
        if len(found) >= limit or len(rows) < portion:
            return found[:limit]
        before = rows[-1].at, rows[-1].id


def _portion(
    datasets: list[str], before: tuple[datetime, str] | None, limit: int, status: RunStatus | None
) -> Select[Any]:
    """Runs whose newest event is one of that status; whether somebody drives those of other events is not known here."""
    query = select(
        runs.c.id,
        runs.c.dataset,
        runs.c.seed,
        runs.c.recipe,
        runs.c.at,
        dataset_versions.c.size.label("pool"),
        newest_events.c.kind.label("event"),
        _OWNER,
        _ROUNDS_DONE,
    )
    query = query.join(dataset_versions, dataset_versions.c.digest == runs.c.pool)
    query = query.outerjoin(newest_events, newest_events.c.run == runs.c.id)
    query = query.where(runs.c.dataset.in_(datasets))
    if before is not None:
        query = query.where(tuple_(runs.c.at, runs.c.id) < before)
    if status is not None:
        events = [event for event, said in EVENT_STATUS.items() if said is status]
        said = func.coalesce(newest_events.c.kind, "")
        query = query.where(said.in_(events) if events else said.not_in(list(EVENT_STATUS)))
    return query.order_by(runs.c.at.desc(), runs.c.id.desc()).limit(limit)


def _test_dice(connection: Connection, names: list[str]) -> dict[str, dict[str, float]]:
    """Dice on the test split of each run's data set, where it was measured: value, low and high."""
    query = (
        select(run_steps.c.run, evaluations.c.measures["estimates"]["dice"].label("dice"))
        .ext(distinct_on(run_steps.c.run))
        .join(evaluations, evaluations.c.step == run_steps.c.step)
        .join(runs, (runs.c.id == run_steps.c.run) & (runs.c.dataset == evaluations.c.dataset))
        .where(run_steps.c.run.in_(names), run_steps.c.round.is_(None), evaluations.c.split == Split.TEST)
        .order_by(run_steps.c.run, evaluations.c.at.desc())
    )
    return {row.run: row.dice for row in connection.execute(query)}


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
