"""Queries on durable steps: attempts, committed outputs, and the facts that a step brings with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog import labels as label_queries
from maskloom.platform.catalog import reviews as review_queries
from maskloom.platform.catalog.bulk import insert_many
from maskloom.platform.catalog.schema import (
    attempt_errors,
    attempts,
    checkpoints,
    evaluations,
    gate_decisions,
    run_steps,
    steps,
)
from maskloom.platform.facts import Checkpoint, Evaluation, Fact, GateDecision, Growth, LabelVersion, Review
from maskloom.platform.fingerprint import plain
from maskloom.platform.run_facts import StepRecord


def begin_attempt(connection: Connection, step: str, run: str, epoch: int, holder: str) -> int:
    """Record that `run` starts to work on `step`."""
    values = {"step": step, "run": run, "epoch": epoch, "holder": holder}
    attempt: int = connection.execute(insert(attempts).values(values).returning(attempts.c.id)).scalar_one()
    return attempt


def fail_attempt(connection: Connection, attempt: int, error: str) -> None:
    """Record why an attempt ended without an output."""
    connection.execute(insert(attempt_errors).values(attempt=attempt, error=error).on_conflict_do_nothing())


def output(connection: Connection, key: str) -> Any | None:
    """The committed output of a step as JSON types, or None."""
    return connection.scalar(select(steps.c.output).where(steps.c.key == key))


def committed_by(connection: Connection, key: str) -> int | None:
    """The attempt that committed a step's output, or None."""
    attempt: int | None = connection.scalar(select(steps.c.attempt).where(steps.c.key == key))
    return attempt


def outputs_of_run(connection: Connection, run: str) -> dict[str, Any]:
    """All outputs that a run has committed or shared, by step key: what a replay needs, in one query."""
    rows = connection.execute(
        select(steps.c.key, steps.c.output)
        .join(run_steps, run_steps.c.step == steps.c.key)
        .where(run_steps.c.run == run)
    )
    return {row.key: row.output for row in rows}


def add_output(
    connection: Connection,
    key: str,
    kind: str,
    identity: Any,
    output: Any,
    attempt: int,
    facts: Sequence[Fact],
) -> None:
    """Insert a step's output and its facts. Call it in the transaction that checked the lease."""
    connection.execute(
        insert(steps)
        .values(key=key, kind=kind, identity=identity, output=output, attempt=attempt)
        .on_conflict_do_nothing()
    )
    add_facts(connection, facts)


def add_facts(connection: Connection, facts: Sequence[Fact]) -> None:
    """Insert facts; one that exists is the same one."""
    # Checkpoints first: labels and evaluations refer to them.
    for table, record in (
        (checkpoints, Checkpoint),
        (evaluations, Evaluation),
        (gate_decisions, GateDecision),
    ):
        rows = [
            {name: plain(getattr(fact, name)) for name in record.__dataclass_fields__}
            for fact in facts
            if isinstance(fact, record)
        ]
        insert_many(connection, table, rows)
    label_queries.add_labels(connection, [fact for fact in facts if isinstance(fact, LabelVersion)])
    for fact in facts:
        if isinstance(fact, Growth):
            label_queries.add_version(connection, fact)
        elif isinstance(fact, Review):
            review_queries.add(connection, fact)


def add_to_run(connection: Connection, run: str, key: str, round_number: int | None, seconds: float) -> None:
    """Record that `run` used the step `key`, `seconds` after it asked for it."""
    connection.execute(
        insert(run_steps)
        .values(run=run, step=key, round=round_number, seconds=seconds)
        .on_conflict_do_nothing()
    )


def of_run(connection: Connection, run: str, since: datetime | None = None) -> list[StepRecord]:
    """The steps of a run in the order in which it took them; with `since`, those it took then or later."""
    query = (
        select(
            steps.c.key, steps.c.kind, steps.c.output, run_steps.c.round, run_steps.c.seconds, run_steps.c.at
        )
        .join(run_steps, run_steps.c.step == steps.c.key)
        .where(run_steps.c.run == run)
        .order_by(run_steps.c.at, run_steps.c.step)
    )
    if since is not None:
        query = query.where(run_steps.c.at >= since)
    rows = connection.execute(query)
    return [
        StepRecord(
            key=row.key,
            kind=row.kind,
            round=row.round,
            output=row.output,
            seconds=row.seconds,
            committed_at=row.at,
        )
        for row in rows
    ]


def newest_output(connection: Connection, run: str, kind: str) -> Any | None:
    """The output of the step of a kind that a run took last, as JSON types; None before its first."""
    return connection.scalar(
        select(steps.c.output)
        .join(run_steps, run_steps.c.step == steps.c.key)
        .where(run_steps.c.run == run, steps.c.kind == kind)
        .order_by(run_steps.c.at.desc(), run_steps.c.step.desc())
        .limit(1)
    )


def newest_and_count(connection: Connection, run: str, kind: str) -> tuple[Any, int] | None:
    """`newest_output`, and how many steps of that kind the run has taken by then; None before its first."""
    row = connection.execute(
        select(steps.c.output, func.count().over().label("taken"))
        .join(run_steps, run_steps.c.step == steps.c.key)
        .where(run_steps.c.run == run, steps.c.kind == kind)
        .order_by(run_steps.c.at.desc(), run_steps.c.step.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.output, row.taken)


def totals(connection: Connection, run: str) -> tuple[int, float]:
    """How many steps a run has taken, and their seconds."""
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(run_steps.c.seconds), 0.0)).where(run_steps.c.run == run)
    ).one()
    return row[0], row[1]


def round_of_label(connection: Connection, run: str, label: str) -> int | None:
    """The round of `run` in which a label was made."""
    number: int | None = connection.scalar(
        text(
            "select r.round from label_versions l join run_steps r on r.step = l.step "
            "where l.digest = :label and r.run = :run"
        ),
        {"label": label, "run": run},
    )
    return number


def decisions(connection: Connection, run: str) -> list[GateDecision]:
    """Every gate decision of a run."""
    rows = connection.execute(
        select(gate_decisions)
        .join(run_steps, run_steps.c.step == gate_decisions.c.step)
        .where(run_steps.c.run == run)
        .order_by(run_steps.c.at, gate_decisions.c.label)
    )
    return [
        GateDecision(label=row.label, gate=row.gate, step=row.step, kept=row.kept, reason=row.reason)
        for row in rows
    ]


def evaluations_of(connection: Connection, run: str) -> list[Evaluation]:
    """Every evaluation of a run, oldest first."""
    rows = connection.execute(
        select(evaluations)
        .join(run_steps, run_steps.c.step == evaluations.c.step)
        .where(run_steps.c.run == run)
        .order_by(run_steps.c.at)
    )
    return [
        Evaluation(
            step=row.step,
            checkpoint=row.checkpoint,
            dataset=row.dataset,
            split=row.split,
            measures=row.measures,
        )
        for row in rows
    ]


def errors_of(connection: Connection, run: str) -> list[dict[str, Any]]:
    """Attempts of a run that failed: step, when and why, oldest first."""
    rows = connection.execute(
        select(attempts.c.step, attempts.c.holder, attempt_errors.c.error, attempt_errors.c.at)
        .join(attempt_errors, attempt_errors.c.attempt == attempts.c.id)
        .where(attempts.c.run == run)
        .order_by(attempt_errors.c.at)
    )
    return [
        {"step": row.step, "pid": json.loads(row.holder)["pid"], "error": row.error, "at": row.at.isoformat()}
        for row in rows
    ]


def counts_by_kind(connection: Connection) -> dict[str, int]:
    """How many steps of each kind have been committed."""
    rows = connection.execute(
        select(steps.c.kind, func.count()).group_by(steps.c.kind).order_by(steps.c.kind)
    )
    return {row[0]: row[1] for row in rows}


def count_of_errors(connection: Connection) -> int:
    """How many attempts have failed."""
    return connection.scalar(select(func.count()).select_from(attempt_errors)) or 0
