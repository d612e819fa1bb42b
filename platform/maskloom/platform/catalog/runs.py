"""Queries on runs, what was asked of them, and what the facts say about their state."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog import leases
from maskloom.platform.catalog.schema import (
    dataset_versions,
    run_events,
    run_steps,
    runs,
)
from maskloom.platform.catalog.summary_schema import newest_events, step_counts
from maskloom.platform.facts import DatasetVersion
from maskloom.platform.run_facts import Run, RunStatus

EVENT_STATUS = {
    "queued": RunStatus.QUEUED,
    "waiting": RunStatus.WAITING,
    "paused": RunStatus.PAUSED,
    "cancelled": RunStatus.CANCELLED,
    "failed": RunStatus.FAILED,
    "finished": RunStatus.FINISHED,
}
"""What the newest event of a run says of it; after others it is running, or interrupted where nobody drives it."""

_LABELLED, _POOL = dataset_versions.alias("labelled"), dataset_versions.alias("pool")
_RUNS = (
    select(
        runs,
        _LABELLED.c.parent.label("labelled_parent"),
        _LABELLED.c.size.label("labelled_size"),
        _POOL.c.parent.label("pool_parent"),
        _POOL.c.size.label("pool_size"),
    )
    .join(_LABELLED, _LABELLED.c.digest == runs.c.labelled)
    .join(_POOL, _POOL.c.digest == runs.c.pool)
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


def by_id(connection: Connection, run: str) -> Run | None:
    """The run of that whole id."""
    row = connection.execute(_RUNS.where(runs.c.id == run)).one_or_none()
    return None if row is None else _run(row)


def find(connection: Connection, prefix: str) -> list[Run]:
    """Runs whose id starts with `prefix`."""
    query = _RUNS.where(runs.c.id.startswith(prefix, autoescape=True)).order_by(runs.c.at)
    return [_run(row) for row in connection.execute(query)]


def all_runs(connection: Connection) -> list[Run]:
    """Every run, newest first."""
    return [_run(row) for row in connection.execute(_RUNS.order_by(runs.c.at.desc()))]


def by_status(connection: Connection) -> dict[RunStatus, int]:
    """How many runs there are of each status."""
    # Whether it is driven matters for few: those whose newest event does not say it.
    unsaid = newest_events.c.kind.not_in(EVENT_STATUS)
    rows = connection.execute(
        select(
            newest_events.c.kind,
            func.count().label("runs"),
            func.array_agg(runs.c.id).filter(unsaid).label("unsaid"),
        )
        .select_from(runs.outerjoin(newest_events, newest_events.c.run == runs.c.id))
        .group_by(newest_events.c.kind)
    ).all()
    held = leases.held(connection, [lease_name(run) for row in rows for run in row.unsaid or ()])
    found = Counter[RunStatus]()
    for row in rows:
        driven = sum(lease_name(run) in held for run in row.unsaid or ())
        found[status_of(row.kind, driven=True)] += driven
        found[status_of(row.kind, driven=False)] += row.runs - driven
    return {status: found[status] for status in RunStatus}


def add_event(connection: Connection, run: str, kind: str, detail: dict[str, Any] | None = None) -> None:
    """Record something that happened to a run as a whole.

    Who else records something of the same run waits for the end of this transaction: so events become visible in the order
    of their ids.
    """
    lock_events(connection, run)
    connection.execute(insert(run_events).values(run=run, kind=kind, detail=detail or {}))


def lock_events(connection: Connection, run: str) -> None:
    """Let nobody else record an event of `run` before this transaction ends: for who decides by the newest one."""
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended('run_events ' || :run, 0))"), {"run": run}
    )


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
    return status_of(event[0] if event else None, driven=held is not None)


def status_of(event: str | None, *, driven: bool) -> RunStatus:
    """What a run's newest event and its lease make of it."""
    if event in EVENT_STATUS:
        return EVENT_STATUS[event]
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
        select(
            *(
                func.coalesce(func.sum(step_counts.c[name]), 0).label(name)
                for name in ("labels", "gated", "kept")
            )
        )
        .join(run_steps, run_steps.c.step == step_counts.c.step)
        .where(run_steps.c.run == run)
    ).one()
    return {"labels": row.labels, "gated": row.gated, "kept": row.kept}


def _run(row: Row[Any]) -> Run:
    def version(digest: str, parent: str | None, size: int) -> DatasetVersion:
        return DatasetVersion(digest=digest, dataset=row.dataset, parent=parent, size=size)

    return Run(
        id=row.id,
        recipe=row.recipe,
        dataset=row.dataset,
        seed=row.seed,
        labelled=version(row.labelled, row.labelled_parent, row.labelled_size),
        pool=version(row.pool, row.pool_parent, row.pool_size),
        created_at=row.at,
    )
