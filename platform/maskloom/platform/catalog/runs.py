"""Queries on runs, what was asked of them, and what the facts say about their state."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog import labels, leases
from maskloom.platform.catalog.schema import run_events, runs
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


def lease_name(run: str) -> str:
    """The lease that the driver of `run` holds."""
    return f"run/{run}"


def claim_name(run: str) -> str:
    """The lease that the scheduler of `run` holds while it has a driver for it; it notes `still_s` when nothing moves."""
    return f"claim/{run}"


def doing(connection: Connection, names: list[str]) -> dict[str, str]:
    """For each of these runs, what changes whenever it moves: its steps taken, and what its driver notes."""
    rows = connection.execute(
        text(
            "select r.run, (select count(*) from run_steps s where s.run = r.run) as taken, l.epoch, l.note::text as note "
            "from unnest(cast(:names as text[])) as r(run) left join leases l on l.name = 'run/' || r.run"
        ),
        {"names": names},
    )
    return {row.run: f"{row.taken} {row.epoch} {row.note}" for row in rows}


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
    connection: Connection, datasets: list[str], before: tuple[datetime, str] | None, limit: int
) -> list[RunSummary]:
    """The next `limit` runs on `datasets`, newest first, from before the one of that time and id."""
    query = select(runs.c.id, runs.c.dataset, runs.c.seed, runs.c.recipe, runs.c.at, _NEWEST_EVENT).where(
        runs.c.dataset.in_(datasets)
    )
    if before is not None:
        query = query.where(tuple_(runs.c.at, runs.c.id) < before)
    rows = connection.execute(query.order_by(runs.c.at.desc(), runs.c.id.desc()).limit(limit)).all()
    held = leases.held(connection, [lease_name(row.id) for row in rows])
    return [
        RunSummary(
            id=row.id,
            dataset=row.dataset,
            seed=row.seed,
            recipe=row.recipe,
            status=_status(row.event, driven=lease_name(row.id) in held),
            created_at=row.at,
        )
        for row in rows
    ]


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
