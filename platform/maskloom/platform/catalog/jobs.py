"""Queries on jobs. Who holds the lease `job/ID` does the job; what its newest event and that lease say is its status."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog import leases
from maskloom.platform.catalog.job_schema import job_events, jobs, signing_secrets
from maskloom.platform.job_facts import Job, JobKind, JobState, JobStatus

MAX_STARTS = 3
"""A job whose process died so often has failed: the next one would die as well."""
_OPEN = ("queued", "started")
_last = (
    select(job_events.c.kind.label("event"), job_events.c.detail, job_events.c.at.label("changed_at"))
    .where(job_events.c.job == jobs.c.id)
    .order_by(job_events.c.id.desc())
    .limit(1)
    .lateral("last")
)
_STATES = select(jobs, _last).join(_last, true())


def lease_name(job: str) -> str:
    """The lease that the process holds which does `job`."""
    return f"job/{job}"


def add(connection: Connection, job: Job) -> None:
    """Leave a job to whichever process is there for it. Adding it again adds nothing."""
    row = insert(jobs).values(
        id=job.id, kind=job.kind, dataset=job.dataset, run=job.run, owner=job.owner, wanted=job.wanted
    )
    if connection.execute(row.on_conflict_do_nothing()).rowcount:
        add_event(connection, job.id, "queued")


def add_event(connection: Connection, job: str, kind: str, detail: dict[str, Any] | None = None) -> None:
    """Record something that happened to a job."""
    connection.execute(insert(job_events).values(job=job, kind=kind, detail=detail or {}))


def ask_again(connection: Connection, job: str) -> bool:
    """Queue a job that has failed; False for one that has not."""
    connection.execute(select(jobs.c.id).where(jobs.c.id == job).with_for_update())
    if _newest_event(connection, job) != "failed":
        return False
    add_event(connection, job, "queued")
    return True


def unfinished(connection: Connection) -> list[str]:
    """Jobs that are neither done nor failed and that nobody is at, longest waiting first."""
    query = select(jobs.c.id).join(_last, true())
    found = list(connection.scalars(query.where(_last.c.event.in_(_OPEN)).order_by(_last.c.changed_at)))
    held = leases.held(connection, [lease_name(job) for job in found])
    return [job for job in found if lease_name(job) not in held]


def start(connection: Connection, job: str) -> Job | None:
    """Begin a job whose lease the caller has taken; None where there is nothing to do for it (any more)."""
    if _newest_event(connection, job) not in _OPEN:
        return None
    queued = select(func.max(job_events.c.id)).where(job_events.c.job == job, job_events.c.kind == "queued")
    started = select(func.count()).where(
        job_events.c.job == job, job_events.c.kind == "started", job_events.c.id > queued.scalar_subquery()
    )
    if connection.execute(started).scalar_one() >= MAX_STARTS:
        error = f"the process that did it died {MAX_STARTS} times"
        hint = "Its log says of what. Ask for less at a time, or give the machine more memory."
        add_event(connection, job, "failed", {"error": error, "hint": hint})
        return None
    add_event(connection, job, "started")
    return find(connection, job)


def give_back(connection: Connection, job: str) -> None:
    """Leave a job that was begun to others: that start does not count."""
    if _newest_event(connection, job) == "started":
        add_event(connection, job, "queued")


def find(connection: Connection, job: str) -> Job | None:
    """The job of that id."""
    row = connection.execute(select(jobs).where(jobs.c.id == job)).one_or_none()
    return None if row is None else _job(row)


def state(connection: Connection, job: str) -> JobState:
    """How a job stands that there is."""
    return _states(connection, _STATES.where(jobs.c.id == job))[0]


def of_dataset(
    connection: Connection, dataset: str, before: tuple[datetime, str] | None, limit: int
) -> list[JobState]:
    """The next `limit` jobs on a data set, newest first, from before the one of that time and id."""
    query = _STATES.where(jobs.c.dataset == dataset)
    if before is not None:
        query = query.where(tuple_(jobs.c.at, jobs.c.id) < before)
    return _states(connection, query.order_by(jobs.c.at.desc(), jobs.c.id.desc()).limit(limit))


def of_run(connection: Connection, run: str, limit: int) -> list[JobState]:
    """The newest exports of a run, newest first."""
    return _states(connection, _STATES.where(jobs.c.run == run).order_by(jobs.c.at.desc()).limit(limit))


def signing_secret(connection: Connection, purpose: str) -> bytes:
    """The secret that signs for a purpose; made when it is first asked for, and the same for all processes from then on."""
    made = insert(signing_secrets).values(purpose=purpose, secret=secrets.token_bytes(32))
    connection.execute(made.on_conflict_do_nothing())
    query = select(signing_secrets.c.secret).where(signing_secrets.c.purpose == purpose)
    return bytes(connection.execute(query).scalar_one())


def _newest_event(connection: Connection, job: str) -> str | None:
    query = select(job_events.c.kind).where(job_events.c.job == job).order_by(job_events.c.id.desc())
    return connection.scalar(query.limit(1))


def _states(connection: Connection, query: Select[Any]) -> list[JobState]:
    rows = connection.execute(query).all()
    return [_state(row, leases.current(connection, lease_name(row.id))) for row in rows]


def _state(row: Row[Any], held: tuple[leases.Holder, dict[str, Any]] | None) -> JobState:
    failed, running = row.event == "failed", row.event == "started" and held is not None
    # One that was started by a process that is gone waits for the next.
    status = {"done": JobStatus.DONE, "failed": JobStatus.FAILED}.get(row.event, JobStatus.QUEUED)
    note = held[1] if held and running else {}
    return JobState(
        job=_job(row),
        status=JobStatus.RUNNING if running else status,
        asked_at=row.at,
        changed_at=row.changed_at,
        done=note.get("done", 0),
        total=note.get("total", 0),
        outcome=row.detail if row.event == "done" else {},
        error=row.detail["error"] if failed else "",
        hint=row.detail["hint"] if failed else "",
    )


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        dataset=row.dataset,
        owner=row.owner,
        wanted=row.wanted,
        run=row.run,
    )
