"""The tables of reviews: which masks were shown to whom, what came back, and what was decided. All of them hold facts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from maskloom.platform.catalog.schema import at, metadata, slice_with_split

reviews = Table(
    "reviews",
    metadata,
    Column("id", Text, ForeignKey("steps.key", deferrable=True, initially="DEFERRED"), primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False, index=True),
    Column("dataset", Text, ForeignKey("datasets.name"), nullable=False),
    Column("round", Integer),
    Column("parameters", JSONB, nullable=False),
    at(),
)

review_assignments = Table(
    "review_assignments",
    metadata,
    Column("review", Text, ForeignKey("reviews.id"), primary_key=True),
    Column("slice", Text, primary_key=True),
    Column("reader", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("label", Text, ForeignKey("label_versions.digest"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("place", Integer, nullable=False),
    at(),
    slice_with_split(),
    CheckConstraint("split <> 'test'", name="test_slices_are_never_reviewed"),
    CheckConstraint("purpose in ('reading', 'gold', 'adjudication')", name="purpose"),
)

review_answers = Table(
    "review_answers",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("review", Text, nullable=False),
    Column("slice", Text, nullable=False),
    Column("reader", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("label", Text, ForeignKey("label_versions.digest")),
    Column("lead_time_s", Double),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False),
    at(),
    ForeignKeyConstraint(
        ["review", "slice", "reader"],
        ["review_assignments.review", "review_assignments.slice", "review_assignments.reader"],
    ),
    CheckConstraint("kind in ('accepted', 'corrected', 'rejected', 'withdrawn')", name="kind"),
    CheckConstraint("(kind in ('accepted', 'corrected')) = (label is not null)", name="label"),
    Index("ix_review_answers_assignment", "review", "slice", "reader", "id"),
)

review_verdicts = Table(
    "review_verdicts",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("review", Text, ForeignKey("reviews.id"), nullable=False),
    Column("slice", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("label", Text, ForeignKey("label_versions.digest")),
    Column("decided_by", Text, nullable=False),
    at(),
    CheckConstraint("kind in ('accepted', 'corrected', 'rejected', 'open')", name="kind"),
    CheckConstraint("(kind in ('accepted', 'corrected')) = (label is not null)", name="label"),
    Index("ix_review_verdicts_slice", "review", "slice", "number"),
    Index("ix_review_verdicts_label", "label"),
)

review_closings = Table(
    "review_closings",
    metadata,
    Column("review", Text, ForeignKey("reviews.id"), primary_key=True),
    Column("reason", Text, nullable=False),
    at(),
)

review_set_aside = Table(
    "review_set_aside",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("reader", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("blob", Text, ForeignKey("blobs.digest")),
    at(),
    UniqueConstraint("run", "reader", "source", "reason", "blob", postgresql_nulls_not_distinct=True),
)

review_cursors = Table(
    "review_cursors",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("reader", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("cursor", Text, nullable=False),
    at(),
    Index("ix_review_cursors_newest", "run", "reader", "tool", "id"),
)

review_desks = Table(
    "review_desks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("reader", Text, nullable=False),
    Column("place", Text, nullable=False),
    at(),
    Index("ix_review_desks_newest", "run", "reader", "id"),
)

review_requests = Table(
    "review_requests",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    at(),
    Index("ix_review_requests_newest", "run", "id"),
)
