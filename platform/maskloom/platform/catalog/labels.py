"""Queries on labels and on the dataset versions that are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from maskloom.platform.catalog.bulk import insert_many
from maskloom.platform.catalog.review_schema import review_verdicts
from maskloom.platform.catalog.schema import (
    dataset_version_items,
    dataset_versions,
    label_versions,
    slices,
)
from maskloom.platform.facts import DatasetVersion, Growth, Item, LabelKind, LabelVersion, Split
from maskloom.platform.fingerprint import fingerprint, plain

_PORTION = 10_000
_ADD_ITEMS = text(
    "insert into dataset_version_items (version, slice, dataset, split, label) "
    "select :version, slice, :dataset, :split, label "
    "from unnest(cast(:slices as text[]), cast(:labels as text[])) as item (slice, label)"
)
"""Of one version there may be a million: as rows of values they would take five times as long."""


def add_labels(connection: Connection, labels: Iterable[LabelVersion]) -> None:
    """Insert label versions; one that exists is the same one."""
    insert_many(connection, label_versions, [plain_label(label) for label in labels])


def plain_label(label: LabelVersion) -> dict[str, Any]:
    """The columns of a label."""
    return {name: plain(getattr(label, name)) for name in LabelVersion.__dataclass_fields__}


def expert_labels(
    connection: Connection, dataset: str, split: Split, only: Sequence[str] | None = None
) -> dict[str, LabelVersion]:
    """The newest expert label of each slice of a split (or of the slices `only`), by slice digest."""
    wanted = select(label_versions).where(
        label_versions.c.dataset == dataset,
        label_versions.c.split == split,
        label_versions.c.kind == LabelKind.EXPERT,
    )
    if only is not None:
        wanted = wanted.where(label_versions.c.slice.in_(only))
    rows = connection.execute(wanted.order_by(label_versions.c.at, label_versions.c.digest))
    return {row.slice: label_of(row) for row in rows}


def by_digest(connection: Connection, digests: Sequence[str]) -> dict[str, LabelVersion]:
    """The labels of these digests."""
    rows = connection.execute(select(label_versions).where(label_versions.c.digest.in_(digests)))
    return {row.digest: label_of(row) for row in rows}


def shown(connection: Connection, dataset: str, digest: str, reader: str | None) -> LabelVersion | None:
    """A label of a data set, if `reader` may see it: see `of_slice`."""
    query = select(label_versions).where(
        label_versions.c.dataset == dataset, label_versions.c.digest == digest
    )
    return next(iter(_shown(connection, query, reader)), None)


def of_slice(
    connection: Connection, dataset: str, slice_digest: str, reader: str | None = None
) -> list[LabelVersion]:
    """Every label a slice ever had, oldest first.

    With `reader` those that this reader may see: of masks that readers made their own, and those by which something was
    decided, without who made them. Who could look at another's answer would not read independently.
    """
    query = select(label_versions).where(
        label_versions.c.dataset == dataset, label_versions.c.slice == slice_digest
    )
    return _shown(connection, query, reader)


def strongest(
    connection: Connection, dataset: str, digests: Sequence[str], reader: str | None = None
) -> dict[str, LabelVersion]:
    """The label that counts of each of these slices: the strongest kind, and of two of a kind the later; by slice digest.

    With `reader` it is that of those which this reader may see: see `of_slice`.
    """
    query = select(label_versions).where(
        label_versions.c.dataset == dataset, label_versions.c.slice.in_(digests)
    )
    found: dict[str, LabelVersion] = {}
    for label in _shown(connection, query, reader):
        if label.slice not in found or label.kind.precedence >= found[label.slice].kind.precedence:
            found[label.slice] = label
    return found


def _shown(connection: Connection, query: Select[Any], reader: str | None) -> list[LabelVersion]:
    if reader is not None:
        decided = select(review_verdicts.c.number).where(review_verdicts.c.label == label_versions.c.digest)
        made_by = label_versions.c.reader
        query = query.where(or_(made_by.is_(None), made_by == reader, decided.exists()))
    rows = connection.execute(query.order_by(label_versions.c.at, label_versions.c.digest))
    return [_for(label_of(row), reader) for row in rows]


def _for(label: LabelVersion, reader: str | None) -> LabelVersion:
    return label if reader in {None, label.reader} else replace(label, reader=None)


def growth(
    dataset: str,
    added: Sequence[Item],
    split: Split,
    parent: DatasetVersion | None = None,
    parents_items: Iterable[Item] = (),
) -> Growth:
    """The dataset version that has the items of `parent` and `added`. It is named by its content: equal ones are one."""
    ordered = tuple(sorted(added, key=lambda item: item.slice))
    digest = fingerprint(
        {
            "dataset": dataset,
            "parent": parent.digest if parent else None,
            "added": [[item.slice, item.label] for item in ordered],
        }
    )
    size = len({item.slice for item in parents_items} | {item.slice for item in ordered})
    version = DatasetVersion(
        digest=digest, dataset=dataset, parent=parent.digest if parent else None, size=size
    )
    return Growth(version=version, added=ordered, split=split)


def add_version(connection: Connection, growth: Growth) -> None:
    """Insert a dataset version; one that exists is the same one, with all its items."""
    version = growth.version
    added = connection.execute(
        insert(dataset_versions)
        .values(digest=version.digest, dataset=version.dataset, parent=version.parent, size=version.size)
        .on_conflict_do_nothing()
    )
    if added.rowcount == 0:
        return
    for first in range(0, len(growth.added), _PORTION):
        portion = growth.added[first : first + _PORTION]
        connection.execute(
            _ADD_ITEMS,
            {
                "version": version.digest,
                "dataset": version.dataset,
                "split": growth.split,
                "slices": [item.slice for item in portion],
                "labels": [item.label for item in portion],
            },
        )


def version(connection: Connection, digest: str) -> DatasetVersion | None:
    """A dataset version by digest."""
    row = connection.execute(
        select(dataset_versions).where(dataset_versions.c.digest == digest)
    ).one_or_none()
    if row is None:
        return None
    return DatasetVersion(digest=row.digest, dataset=row.dataset, parent=row.parent, size=row.size)


_CHAIN = """
with recursive chain (digest, parent, depth) as (
    select digest, parent, 0 from dataset_versions where digest = :digest
    union all
    select v.digest, v.parent, chain.depth + 1 from dataset_versions v join chain on v.digest = chain.parent
)
"""


def items(connection: Connection, digest: str) -> list[Item]:
    """All items of a dataset version, its parents' first; of two labels of a slice the later one counts."""
    rows = connection.execute(
        text(
            _CHAIN + "select i.slice, i.label, l.mask, l.kind from chain "
            "join dataset_version_items i on i.version = chain.digest "
            "left join label_versions l on l.digest = i.label order by chain.depth desc, i.slice"
        ),
        {"digest": digest},
    )
    return list({row.slice: _item(row) for row in rows}.values())


def added_items(connection: Connection, digest: str) -> list[Item]:
    """The items that a dataset version adds to its parent, by slice digest."""
    rows = connection.execute(
        select(
            dataset_version_items.c.slice,
            dataset_version_items.c.label,
            label_versions.c.mask,
            label_versions.c.kind,
        )
        .outerjoin(label_versions, label_versions.c.digest == dataset_version_items.c.label)
        .where(dataset_version_items.c.version == digest)
        .order_by(dataset_version_items.c.slice)
    )
    return [_item(row) for row in rows]


def label_scores(connection: Connection, digest: str) -> list[dict[str, float]]:
    """The scores of every label in a dataset version."""
    rows = connection.scalars(
        text(
            _CHAIN + "select l.scores from chain join dataset_version_items i on i.version = chain.digest "
            "join label_versions l on l.digest = i.label order by i.slice"
        ),
        {"digest": digest},
    )
    return list(rows)


def volumes(connection: Connection, digest: str) -> list[tuple[str, str]]:
    """(slice digest, volume) of every slice in a dataset version, by volume and position."""
    rows = connection.execute(
        text(
            _CHAIN + "select distinct s.volume, s.position, s.digest from chain "
            "join dataset_version_items i on i.version = chain.digest "
            "join slices s on s.dataset = i.dataset and s.digest = i.slice order by 1, 2, 3"
        ),
        {"digest": digest},
    )
    return [(row.digest, row.volume) for row in rows]


def current_items(connection: Connection, dataset: str, split: Split) -> list[Item]:
    """Every slice of a split as it stands now, with its newest expert label where it has one."""
    labels = expert_labels(connection, dataset, split)
    digests = connection.scalars(
        select(slices.c.digest)
        .where(slices.c.dataset == dataset, slices.c.split == split)
        .order_by(slices.c.digest)
    )
    return [
        Item(
            slice=digest,
            label=labels[digest].digest if digest in labels else None,
            mask=labels[digest].mask if digest in labels else None,
            kind=LabelKind.EXPERT if digest in labels else None,
        )
        for digest in digests
    ]


def total(connection: Connection) -> int:
    """How many label versions there are."""
    return connection.scalar(select(func.count()).select_from(label_versions)) or 0


def _item(row: Any) -> Item:
    return Item(
        slice=row.slice, label=row.label, mask=row.mask, kind=LabelKind(row.kind) if row.kind else None
    )


def label_of(row: Row[Any]) -> LabelVersion:
    """The label of a row of `label_versions`."""
    return LabelVersion(
        digest=row.digest,
        dataset=row.dataset,
        slice=row.slice,
        split=Split(row.split),
        kind=LabelKind(row.kind),
        mask=row.mask,
        step=row.step,
        checkpoint=row.checkpoint,
        scores=row.scores,
        reader=row.reader,
        parent=row.parent,
    )
