"""Queries on runs, what was asked of them, and what the facts say about their state."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog import labels, leases
from maskloom.platform.catalog.schema import (
    dataset_versions,
    evaluations,
    run_events,
    run_steps,
    runs,
    steps,
)
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run, RunStatus, RunSummary

_EVENT_STATUS = {
    "queued": RunStatus.QUEUED,
    "waiting": RunStatus.WAITING,
    "paused": RunStatus.PAUSED,
    "cancelled": RunStatus.CANCELLED,
    "failed": RunStatus.FAILED,
    "finished": RunStatus.FINISHED,
}


_NEWEST_EVENT = (
    select(run_events.c.kind)
    .where(run_events.c.run == runs.c.id)
    .order_by(run_events.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("event")
)


_OWNER = (
    select(run_events.c.detail["owner"].astext)
    .where(run_events.c.run == runs.c.id, run_events.c.kind == "queued")
    .order_by(run_events.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("owner")
)
_ROUNDS_DONE = (
    select(func.count(run_steps.c.round.distinct()))
    .join(steps, steps.c.key == run_steps.c.step)
    .where(run_steps.c.run == runs.c.id, steps.c.kind == "train")
    .scalar_subquery()
    .label("rounds_done")
)
_TEST_DICE = (
    select(evaluations.c.measures["estimates"]["dice"])
    .join(run_steps, run_steps.c.step == evaluations.c.step)
    .where(
        run_steps.c.run == runs.c.id,
        evaluations.c.dataset == runs.c.dataset,
        evaluations.c.split == Split.TEST,
    )
    .order_by(evaluations.c.at.desc())
    .limit(1)
    .scalar_subquery()
    .label("dice")
)


_LOOKED_THROUGH = 500


def lease_name(run: str) -> str:
    """The lease that the driver of `run` holds."""
    return f"run/{run}"


def add(connection: Connection, run: Run) -> None:
    """Insert a run unless it exists."""
    row = asdict(run) | {"labelled": run.labelled.digest, "pool": run.pool.digest, "at": run.created_at}
    del row["created_at"]
    connection.execute(insert(runs).values(**row).on_conflict_do_nothing())


def find(connection: Connection, prefix: str) -> list[Run]:
    """Runs whose id starts with `prefix`."""
    query = select(runs).where(runs.c.id.startswith(prefix, autoescape=True)).order_by(runs.c.at)
    return [_run(connection, row) for row in connection.execute(query).all()]


def all_runs(connection: Connection) -> list[Run]:
    """Every run, newest first."""
    return [
        _run(connection, row) for row in connection.execute(select(runs).order_by(runs.c.at.desc())).all()
    ]


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
    portion = limit if status in {None, *_EVENT_STATUS.values()} else max(limit, _LOOKED_THROUGH)
    while True:
        rows = connection.execute(_portion(datasets, before, portion, status)).all()
        held = leases.held(connection, [lease_name(row.id) for row in rows])
        summaries = [_summary(row, driven=lease_name(row.id) in held) for row in rows]
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
        _NEWEST_EVENT,
        _OWNER,
        _ROUNDS_DONE,
        _TEST_DICE,
    ).join(dataset_versions, dataset_versions.c.digest == runs.c.pool)
    query = query.where(runs.c.dataset.in_(datasets))
    if before is not None:
        query = query.where(tuple_(runs.c.at, runs.c.id) < before)
    if status is not None:
        events = [event for event, said in _EVENT_STATUS.items() if said is status]
        said = func.coalesce(_NEWEST_EVENT.element, "")
        query = query.where(said.in_(events) if events else said.not_in(list(_EVENT_STATUS)))
    return query.order_by(runs.c.at.desc(), runs.c.id.desc()).limit(limit)


def _summary(row: Row[Any], *, driven: bool) -> RunSummary:
    return RunSummary(
        id=row.id,
        dataset=row.dataset,
        seed=row.seed,
        recipe=row.recipe,
        pool=row.pool,
        status=_status(row.event, driven=driven),
        created_at=row.at,
        owner=row.owner,
        rounds_done=row.rounds_done,
        dice=row.dice,
    )


def by_status(connection: Connection) -> dict[RunStatus, int]:
    """How many runs there are of each status."""
    rows = connection.execute(select(runs.c.id, _NEWEST_EVENT)).all()
    # Whether it is driven matters for few: those whose newest event does not say it.
    unsaid = [lease_name(row.id) for row in rows if row.event not in _EVENT_STATUS]
    held = leases.held(connection, unsaid)
    found = Counter(_status(row.event, driven=lease_name(row.id) in held) for row in rows)
    return {status: found[status] for status in RunStatus}


def add_event(connection: Connection, run: str, kind: str, detail: dict[str, Any] | None = None) -> None:
    """Record something that happened to a run as a whole.

    Who else records something of the same run waits for the end of this transaction: so events become visible in the order
    of their ids.
    """
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended('run_events ' || :run, 0))"), {"run": run}
    )
    connection.execute(insert(run_events).values(run=run, kind=kind, detail=detail or {}))


def last_event(connection: Connection, run: str) -> tuple[str, dict[str, Any]] | None:
    """The newest event of a run: its kind and detail."""
    row = connection.execute(
        select(run_events.c.kind, run_events.c.detail)
        .where(run_events.c.run == run)
        .order_by(run_events.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.kind, row.detail)


def events(connection: Connection, run: str) -> list[tuple[str, dict[str, Any], datetime]]:
    """Everything that happened to a run as a whole (kind, detail, time), oldest first."""
    rows = connection.execute(
        select(run_events.c.kind, run_events.c.detail, run_events.c.at)
        .where(run_events.c.run == run)
        .order_by(run_events.c.id)
    )
    return [(row.kind, row.detail, row.at) for row in rows]


def status(connection: Connection, run: str) -> RunStatus:
    """What the facts and the lease say of a run."""
    event = last_event(connection, run)
    held = leases.current(connection, lease_name(run))
    return _status(event[0] if event else None, driven=held is not None)


def _status(event: str | None, *, driven: bool) -> RunStatus:
    """What a run's newest event and its lease make of it."""
    if event in _EVENT_STATUS:
        return _EVENT_STATUS[event]
    return RunStatus.RUNNING if driven else RunStatus.INTERRUPTED


def final_checkpoint(connection: Connection, run: str) -> str | None:
    """Digest of the network that a run ended with; None before its end."""
    digest: str | None = connection.scalar(
        select(run_events.c.detail["final_checkpoint"].astext)
        .where(run_events.c.run == run, run_events.c.kind == "finished")
        .order_by(run_events.c.id.desc())
        .limit(1)
    )
    return digest


def rounds_done(connection: Connection, run: str) -> int:
    """How many rounds of a run have been trained on."""
    return (
        connection.scalar(
            text(
                "select count(distinct r.round) from run_steps r join steps s on s.key = r.step "
                "where r.run = :run and s.kind = 'train'"
            ),
            {"run": run},
        )
        or 0
    )


def counts(connection: Connection, run: str) -> dict[str, int]:
    """Labels that a run made, and those that its gates kept."""
    row = connection.execute(
        text(
            "select (select count(*) from label_versions l join run_steps r on r.step = l.step where r.run = :run) labels,"
            "(select count(*) from gate_decisions g join run_steps r on r.step = g.step where r.run = :run) gated,"
            "(select count(*) from gate_decisions g join run_steps r on r.step = g.step where r.run = :run and g.kept)"
            " kept"
        ),
        {"run": run},
    ).one()
    return {"labels": row.labels, "gated": row.gated, "kept": row.kept}


def _run(connection: Connection, row: Row[Any]) -> Run:
    labelled, pool = labels.version(connection, row.labelled), labels.version(connection, row.pool)
    assert labelled is not None
    assert pool is not None
    recipe = row.recipe if isinstance(row.recipe, dict) else json.loads(row.recipe)
    return Run(
        id=row.id,
        recipe=recipe,
        dataset=row.dataset,
        seed=row.seed,
        labelled=labelled,
        pool=pool,
        created_at=row.at,
    )
