"""Queries on the masks that two runs have for the same slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

_PAIRS = text(
    """
    with own as (
        select distinct on (r.run, l.slice) r.run, l.dataset, l.slice, l.digest, l.mask,
            cast(l.scores ->> 'area' as double precision) as area,
            cast(l.scores ->> 'uncertainty' as double precision) as uncertainty
        from run_steps r join label_versions l on l.step = r.step
        where r.run in (:a, :b) and l.split = 'unlabelled'
        order by r.run, l.slice, (r.round is null) desc, r.at desc
    ),
    pairs as (
        select a.dataset, a.slice, a.digest as label_a, b.digest as label_b, a.mask as mask_a, b.mask as mask_b,
            a.area as area_a, b.area as area_b, a.uncertainty as uncertainty_a, b.uncertainty as uncertainty_b,
            a.mask <> b.mask as differs
        from own a join own b on b.dataset = a.dataset and b.slice = a.slice
        where a.run = :a and b.run = :b
    ),
    ranked as (
        select pairs.*,
            row_number() over (order by abs(area_a - area_b) / nullif(area_a + area_b, 0) desc nulls last, slice) as by_area,
            row_number() over (order by greatest(uncertainty_a, uncertainty_b) desc, slice) as by_doubt
        from pairs where differs
    )
    select c.common, c.differing, r.*, s.name, s.volume, s.position
    from (select count(*) as common, count(*) filter (where differs) as differing from pairs) c
    left join ranked r on r.by_area <= :each or r.by_doubt <= :each
    left join slices s on s.dataset = r.dataset and s.digest = r.slice
    """
)


def pairs(connection: Connection, a: str, b: str, each: int) -> tuple[int, int, Sequence[Row[Any]]]:
    """How many slices both runs have labelled, on how many their masks differ, and those where they may differ most.

    Of a run's masks of a slice its last counts, that of the finished network before that of a round. The slices are
    the `each` whose lesion areas are least alike (their Dice is at most 2 min / sum of the areas), and the `each` of
    which a network is least sure.
    """
    rows = connection.execute(_PAIRS, {"a": a, "b": b, "each": each}).all()
    return rows[0].common, rows[0].differing, [row for row in rows if row.slice is not None]
