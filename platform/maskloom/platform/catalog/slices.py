"""Queries on data sets, their slices, and what ingest set aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog.bulk import insert_many
from maskloom.platform.catalog.schema import blobs, datasets, quarantine, slices
from maskloom.platform.catalog.summary_schema import slice_counts
from maskloom.platform.facts import Quarantined, Slice, Split


def add_blob(connection: Connection, digest: str, size_bytes: int, media_type: str) -> None:
    """Record that the object store holds `digest`."""
    add_blobs(connection, [(digest, size_bytes, media_type)])


def add_blobs(connection: Connection, rows: Iterable[tuple[str, int, str]]) -> None:
    """Record (digest, size in bytes, media type) of blobs that the object store holds."""
    insert_many(
        connection,
        blobs,
        [{"digest": digest, "size_bytes": size, "media_type": media} for digest, size, media in rows],
    )


def add_dataset(connection: Connection, name: str, classes: Sequence[str] = ("infection",)) -> None:
    """Create the data set `name` unless it exists."""
    connection.execute(insert(datasets).values(name=name, classes=list(classes)).on_conflict_do_nothing())


def dataset_names(connection: Connection) -> list[str]:
    """All data sets, by name."""
    return list(connection.scalars(select(datasets.c.name).order_by(datasets.c.name)))


def classes(connection: Connection, dataset: str) -> list[str]:
    """What the masks of a data set mark, by class number from 1."""
    return classes_of_each(connection, [dataset])[dataset]


def classes_of_each(connection: Connection, names: Sequence[str]) -> dict[str, list[str]]:
    """The `classes` of each of these data sets."""
    query = select(datasets.c.name, datasets.c.classes).where(datasets.c.name.in_(names))
    return {row.name: row.classes for row in connection.execute(query)}


def add_slices(connection: Connection, records: Sequence[Slice]) -> None:
    """Insert slices; those that the data set has are left as they are."""
    if records:
        connection.execute(insert(slices).on_conflict_do_nothing(), [asdict(record) for record in records])


def of_dataset(connection: Connection, dataset: str, split: Split | None = None) -> list[Slice]:
    """The slices of a data set by volume and position."""
    query = select(slices).where(slices.c.dataset == dataset)
    if split is not None:
        query = query.where(slices.c.split == split)
    query = query.order_by(slices.c.volume, slices.c.position, slices.c.digest)
    return [_slice(row) for row in connection.execute(query)]


def page(
    connection: Connection, dataset: str, split: Split, after: tuple[str, int, str] | None, limit: int
) -> list[Slice]:
    """The next `limit` slices of a split by volume, position and digest, after the one that has these three."""
    order = tuple_(slices.c.volume, slices.c.position, slices.c.digest)
    query = select(slices).where(slices.c.dataset == dataset, slices.c.split == split)
    if after is not None:
        query = query.where(order > after)
    rows = connection.execute(query.order_by(*order).limit(limit))
    return [_slice(row) for row in rows]


def neighbours(connection: Connection, of: Slice) -> tuple[str | None, str | None]:
    """Digests of the slices before and after one, in its split by volume, position and digest."""
    order = tuple_(slices.c.volume, slices.c.position, slices.c.digest)
    place = (of.volume, of.position, of.digest)
    same = select(slices.c.digest).where(slices.c.dataset == of.dataset, slices.c.split == of.split).limit(1)
    before = same.where(order < place).order_by(*(column.desc() for column in order))
    after = same.where(order > place).order_by(*order)
    return connection.scalar(before), connection.scalar(after)


def by_digest(connection: Connection, dataset: str, digests: Sequence[str]) -> dict[str, Slice]:
    """Those of `digests` that the data set has."""
    query = select(slices).where(and_(slices.c.dataset == dataset, slices.c.digest.in_(digests)))
    return {row.digest: _slice(row) for row in connection.execute(query)}


def everywhere(connection: Connection, digest: str) -> list[Slice]:
    """The slice of that digest in each data set that has it."""
    # By way of the data sets, of which there are few: the index of slices begins with them.
    each = datasets.join(slices, and_(slices.c.dataset == datasets.c.name, slices.c.digest == digest))
    rows = connection.execute(select(slices).select_from(each).order_by(slices.c.dataset))
    return [_slice(row) for row in rows]


def find(connection: Connection, dataset: str, name: str) -> list[Slice]:
    """Slices of a data set by name, or by the first digits of their digest."""
    named = slices.c.name == name
    query = select(slices).where(
        slices.c.dataset == dataset,
        named | slices.c.digest.startswith(name, autoescape=True) if len(name) >= 6 else named,
    )
    return [_slice(row) for row in connection.execute(query.order_by(slices.c.split, slices.c.name))]


def counts(connection: Connection, dataset: str) -> dict[Split, int]:
    """Slices per split."""
    return counts_of_each(connection, [dataset])[dataset]


def counts_of_each(connection: Connection, names: Sequence[str]) -> dict[str, dict[Split, int]]:
    """The `counts` of each of these data sets."""
    found = {name: dict.fromkeys(Split, 0) for name in names}
    for row in connection.execute(select(slice_counts).where(slice_counts.c.dataset.in_(names))):
        found[row.dataset][Split(row.split)] = row.slices
    return found


def set_aside(connection: Connection, records: Sequence[Quarantined]) -> None:
    """Record what ingest refused. The same file refused again for the same reason adds nothing."""
    if records:
        connection.execute(insert(quarantine).on_conflict_do_nothing(), [asdict(r) for r in records])


def quarantined(connection: Connection, dataset: str) -> list[Quarantined]:
    """What ingest refused, oldest first."""
    query = select(quarantine).where(quarantine.c.dataset == dataset).order_by(quarantine.c.id)
    return [_quarantined(row) for row in connection.execute(query)]


def newest_quarantined(connection: Connection, dataset: str, limit: int) -> tuple[list[Quarantined], int]:
    """What ingest refused last, newest first, and how much it ever refused."""
    own = quarantine.c.dataset == dataset
    rows = connection.execute(select(quarantine).where(own).order_by(quarantine.c.id.desc()).limit(limit))
    number = connection.execute(select(func.count()).select_from(quarantine).where(own)).scalar_one()
    return [_quarantined(row) for row in rows], number


def _quarantined(row: Row[Any]) -> Quarantined:
    return Quarantined(
        dataset=row.dataset, split=Split(row.split), source=row.source, blob=row.blob, reason=row.reason
    )


def _slice(row: Row[Any]) -> Slice:
    return Slice(
        digest=row.digest,
        dataset=row.dataset,
        split=Split(row.split),
        volume=row.volume,
        position=row.position,
        name=row.name,
        width=row.width,
        height=row.height,
        bits=row.bits,
        perceptual_hash=row.perceptual_hash,
        patient=row.patient,
        spacing_mm=None if row.spacing_mm is None else tuple(row.spacing_mm),
        intensity=row.intensity,
    )
