"""Queries on the labels that one step has made, and on what gates made of them.

Outputs of steps name other steps, not labels: of those there may be a million, which are read from here in portions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import Connection, select, text

from maskloom.platform.catalog.database import Database
from maskloom.platform.catalog.labels import label_of
from maskloom.platform.catalog.schema import label_versions
from maskloom.platform.facts import Item, LabelKind, LabelVersion

_PORTION = 10_000


def of_step(connection: Connection, step: str) -> list[LabelVersion]:
    """All labels of a step, by slice digest."""
    query = select(label_versions).where(label_versions.c.step == step).order_by(label_versions.c.slice)
    return [label_of(row) for row in connection.execute(query)]


def portions_of_step(database: Database, step: str) -> Iterator[list[LabelVersion]]:
    """The labels of a step by slice digest, each portion in a transaction of its own."""
    after = ""
    while portion := database.transaction(partial(_portion, step=step, after=after)):
        yield portion
        after = portion[-1].slice


def _portion(connection: Connection, step: str, after: str) -> list[LabelVersion]:
    query = (
        select(label_versions)
        .where(label_versions.c.step == step, label_versions.c.slice > after)
        .order_by(label_versions.c.slice)
        .limit(_PORTION)
    )
    return [label_of(row) for row in connection.execute(query)]


def slices_of_step(connection: Connection, step: str) -> set[str]:
    """The slices that a step has labelled by now."""
    return set(connection.scalars(select(label_versions.c.slice).where(label_versions.c.step == step)))


def counts(connection: Connection, step: str) -> tuple[int, int]:
    """How many labels a step has made, and how many of them are empty."""
    row = connection.execute(
        text(
            "select count(*) as labels, count(*) filter (where cast(scores ->> 'area' as double precision) = 0) as empty "
            "from label_versions where step = :step"
        ),
        {"step": step},
    ).one()
    return row.labels, row.empty


def kept(connection: Connection, gate: str) -> list[Item]:
    """The labels that a gate let through, as items of a dataset version, by slice digest."""
    rows = connection.execute(
        text(
            "select l.slice, l.digest, l.mask, l.kind from gate_decisions g join label_versions l on l.digest = g.label "
            "where g.step = :gate and g.kept order by l.slice"
        ),
        {"gate": gate},
    )
    return [Item(slice=row.slice, label=row.digest, mask=row.mask, kind=LabelKind(row.kind)) for row in rows]


def refused(connection: Connection, gates: Sequence[str]) -> set[str]:
    """The slices whose label one of these gates refused."""
    rows = connection.scalars(
        text(
            "select l.slice from gate_decisions g join label_versions l on l.digest = g.label "
            "where g.step = any(:gates) and not g.kept"
        ),
        {"gates": list(gates)},
    )
    return set(rows)


def judged(connection: Connection, gate: str, slices: Sequence[str]) -> set[str]:
    """Those of `slices` whose label a gate has judged."""
    rows = connection.scalars(
        text(
            "select l.slice from gate_decisions g join label_versions l on l.digest = g.label "
            "where g.step = :gate and l.slice = any(:slices)"
        ),
        {"gate": gate, "slices": list(slices)},
    )
    return set(rows)


def shown_and_kept(
    connection: Connection, run: str, reviews: Sequence[str], slices: Sequence[str]
) -> dict[str, Item]:
    """Of `slices` in reviews of `run`: the label that readers were shown, where a gate of the run had let it through."""
    rows = connection.execute(
        text(
            "select distinct l.slice, l.digest, l.mask, l.kind from review_assignments a "
            "join label_versions l on l.digest = a.label "
            "join gate_decisions g on g.label = a.label and g.kept "
            "join run_steps r on r.run = :run and r.step = g.step "
            "where a.review = any(:reviews) and a.slice = any(:slices) and l.kind = 'pseudo'"
        ),
        {"run": run, "reviews": list(reviews), "slices": list(slices)},
    )
    return {
        row.slice: Item(slice=row.slice, label=row.digest, mask=row.mask, kind=LabelKind(row.kind))
        for row in rows
    }
