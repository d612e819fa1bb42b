"""Queries on how a run went: its rounds, its trainings and its gates, in figures.

A round is a short row, however many slices it has: outputs of steps count them, and name no slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

SCORE_BINS = 200
"""Into how many equal parts scores, which lie between 0 and 1, are counted."""

_ROUNDS = text(
    """
    select r.round, s.kind, r.seconds, r.at, case s.kind
        when 'label' then jsonb_build_object('labels', s.output -> 'count')
        when 'gate' then jsonb_build_object('kept', s.output -> 'kept', 'refused', s.output -> 'refused')
        when 'collect' then (
            select coalesce(jsonb_object_agg(kind, number), '{}') from (
                select v ->> 'kind' as kind, count(*) as number
                from jsonb_array_elements(s.output -> 'verdicts') v group by 1) verdicts)
        when 'train' then s.output - 'curve' || jsonb_build_object('last', s.output -> 'curve' -> -1)
        else '{}' end as figures
    from run_steps r join steps s on s.key = r.step
    where r.run = :run and r.round > :after and r.round <= :after + :limit
    order by r.round, r.at, r.step
    """
)
_TRAININGS = text(
    """
    select * from (
        select s.key, s.output, r.round, r.seconds, r.at, row_number() over taken as number,
            count(*) filter (where r.round is null) over taken as alone,
            coalesce(sum((s.output ->> 'steps')::bigint) over (taken rows between unbounded preceding and 1 preceding), 0)
                as start
        from run_steps r join steps s on s.key = r.step
        where r.run = :run and s.kind = 'train'
        window taken as (order by r.at, r.step)
    ) trainings
    where number > :after order by number limit :limit
    """
)
_HAS_KEPT = text(
    "select exists (select from run_steps r join gate_decisions g on g.step = r.step where r.run = :run and g.kept)"
)
_TRAINED_ALONE = text(
    "select count(*) from run_steps r join steps s on s.key = r.step "
    "where r.run = :run and r.round is null and s.kind = 'train'"
)
_SCORES = text(
    """
    select g.kept, least(width_bucket(cast(l.scores ->> :score as double precision), 0, 1, :bins), :bins) - 1 as bin,
        count(*) as number, max(r.at) as newest
    from run_steps r
    join gate_decisions g on g.step = r.step
    join label_versions l on l.digest = g.label
    where r.run = :run and r.at > :since and l.scores ? :score
    group by 1, 2
    """
)


def rounds(connection: Connection, run: str, after: int, limit: int) -> Sequence[Row[Any]]:
    """(round, kind, seconds, at, figures) of the steps of the `limit` rounds after round `after`, in their order.

    Figures of a label step: `labels`; of a gate: `kept` and `refused`; of a collection: how many verdicts of each
    kind; of a training: its output without the curve, and the `last` point of that.
    """
    return connection.execute(_ROUNDS, {"run": run, "after": after, "limit": limit}).all()


def trainings(connection: Connection, run: str, after: int, limit: int) -> Sequence[Row[Any]]:
    """The next `limit` trainings of a run after the one of that number (the first is 1), in their order.

    `start`: optimiser steps before it; `alone`: how many trainings outside of rounds there are up to it.
    """
    return connection.execute(_TRAININGS, {"run": run, "after": after, "limit": limit}).all()


def trained_alone(connection: Connection, run: str) -> int:
    """How many trainings of the run there were outside of rounds."""
    return connection.scalar(_TRAINED_ALONE, {"run": run}) or 0


def has_kept(connection: Connection, run: str) -> bool:
    """Whether a gate of the run has let any label through."""
    return bool(connection.scalar(_HAS_KEPT, {"run": run}))


def gate_scores(connection: Connection, run: str, score: str, since: datetime) -> Sequence[Row[Any]]:
    """(kept, bin, number, newest): labels that gates judged after `since`, by their score; bins are `SCORE_BINS` of 0..1."""
    return connection.execute(_SCORES, {"run": run, "score": score, "since": since, "bins": SCORE_BINS}).all()
