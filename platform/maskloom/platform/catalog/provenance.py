"""Where each mask of a run comes from: its slice, its network and its round, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from maskloom.platform.run_facts import Run

_MASKS = """
with recursive chain (digest, parent) as (
    select digest, parent from dataset_versions where digest = :labelled
    union all
    select v.digest, v.parent from dataset_versions v join chain on v.digest = chain.parent
),
verdicts (label) as (
    select v.label from review_verdicts v where not exists (
        select from review_verdicts later
        where later.review = v.review and later.slice = v.slice and later.number > v.number
    )
),
candidates (label) as (
    select i.label from chain join dataset_version_items i on i.version = chain.digest
    union
    select l.digest from label_versions l
    where l.dataset = :dataset and l.kind <> 'pseudo' and (
        l.slice = :slice
        or l.slice in (select p.slice from dataset_version_items p where p.version = :pool)
        and (l.kind = 'expert' or l.digest in (select label from verdicts))
    )
    union
    select l.digest from run_steps r join label_versions l on l.step = r.step where r.run = :run
)
select s.digest as slice, s.name, s.volume, s.position, s.split, l.kind, l.mask, l.digest as label,
    l.checkpoint, l.reader, r.step is not null as by_run, r.round, l.scores, l.at
from candidates c
join label_versions l on l.digest = c.label
join slices s on s.dataset = l.dataset and s.digest = l.slice
left join run_steps r on r.run = :run and r.step = l.step
where cast(:slice as text) is null or l.slice = :slice
order by s.split, s.volume, s.position, s.digest, r.step is not null, r.round nulls last, l.at, l.digest
"""


def masks(connection: Connection, run: Run, slice_digest: str | None = None) -> Sequence[Row[Any]]:
    """Every mask that `run` has for its slices, or for one slice of its data set.

    These are the expert masks that the run was created with, its own pseudo masks, and on its pool what experts
    drew and what reviews of whichever run have decided; of one slice, all that people ever made. By
    split, volume and position; of a slice what people made first, then the rounds, then the run's last pass.
    """
    return connection.execute(
        text(_MASKS),
        {
            "run": run.id,
            "dataset": run.dataset,
            "labelled": run.labelled.digest,
            "pool": run.pool.digest,
            "slice": slice_digest,
        },
    ).all()
