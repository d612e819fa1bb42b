"""The tables of data and runs; reviews, accounts, the audit trail and summaries have files of their own (`*_schema.py`).

All but `leases` hold facts: a trigger refuses UPDATE and DELETE.

Test slices cannot be trained on: a label that is not an expert's, and every item of a dataset version, refers to a slice
together with its split, and the split `test` is refused there.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def at() -> Column[object]:
    """When a fact was inserted."""
    return Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def slice_with_split() -> ForeignKeyConstraint:
    """Keeps a row to the split that its slice has."""
    return ForeignKeyConstraint(
        ["dataset", "slice", "split"], ["slices.dataset", "slices.digest", "slices.split"]
    )


blobs = Table(
    "blobs",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    at(),
)

datasets = Table(
    "datasets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("classes", ARRAY(Text), nullable=False),
    at(),
)

slices = Table(
    "slices",
    metadata,
    Column("dataset", Text, ForeignKey("datasets.name"), primary_key=True),
    Column("digest", Text, ForeignKey("blobs.digest"), primary_key=True),
    Column("split", Text, nullable=False),
    Column("volume", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("perceptual_hash", BigInteger, nullable=False),
    Column("patient", Text),
    Column("spacing_mm", ARRAY(Double)),
    Column("intensity", JSONB),
    at(),
    UniqueConstraint("dataset", "digest", "split"),
    CheckConstraint("split in ('labelled', 'unlabelled', 'test')", name="split"),
    Index("ix_slices_order", "dataset", "split", "volume", "position", "digest"),
    Index("ix_slices_name", "dataset", "name"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("dataset", Text, ForeignKey("datasets.name"), nullable=False),
    Column("split", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("blob", Text, ForeignKey("blobs.digest")),
    Column("reason", Text, nullable=False),
    at(),
    UniqueConstraint("dataset", "split", "source", "blob", "reason", postgresql_nulls_not_distinct=True),
)

steps = Table(
    "steps",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False, index=True),
    Column("identity", JSONB, nullable=False),
    Column("output", JSONB, nullable=False),
    Column("attempt", BigInteger, ForeignKey("attempts.id"), nullable=False),
    at(),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("step", Text, nullable=False, index=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False, index=True),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    at(),
)

attempt_errors = Table(
    "attempt_errors",
    metadata,
    Column("attempt", BigInteger, ForeignKey("attempts.id"), primary_key=True),
    Column("error", Text, nullable=False),
    at(),
)

label_versions = Table(
    "label_versions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("slice", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("mask", Text, ForeignKey("blobs.digest"), nullable=False),
    # Without a foreign key: labels are committed as they come in, before their step is done.
    Column("step", Text),
    Column("checkpoint", Text, ForeignKey("checkpoints.digest")),
    Column("scores", JSONB, nullable=False),
    Column("reader", Text),
    Column("parent", Text, ForeignKey("label_versions.digest")),
    at(),
    slice_with_split(),
    CheckConstraint("kind in ('pseudo', 'accepted', 'corrected', 'expert')", name="kind"),
    CheckConstraint("kind = 'expert' or split <> 'test'", name="test_slices_have_expert_labels_only"),
    CheckConstraint("kind <> 'pseudo' or (step is not null and checkpoint is not null)", name="provenance"),
    Index("ix_label_versions_slice", "dataset", "slice"),
    UniqueConstraint("step", "slice"),
    Index("ix_label_versions_expert", "dataset", "split", postgresql_where=text("kind = 'expert'")),
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("dataset", Text, ForeignKey("datasets.name"), nullable=False),
    Column("parent", Text, ForeignKey("dataset_versions.digest")),
    Column("size", Integer, nullable=False),
    at(),
)

dataset_version_items = Table(
    "dataset_version_items",
    metadata,
    Column("version", Text, ForeignKey("dataset_versions.digest"), primary_key=True),
    Column("slice", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("label", Text, ForeignKey("label_versions.digest")),
    slice_with_split(),
    CheckConstraint("split <> 'test'", name="test_slices_are_never_trained_on"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("digest", Text, ForeignKey("blobs.digest"), primary_key=True),
    Column("step", Text, ForeignKey("steps.key", deferrable=True, initially="DEFERRED"), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    at(),
)

gate_decisions = Table(
    "gate_decisions",
    metadata,
    # Without a foreign key, as labels are.
    Column("step", Text, primary_key=True),
    Column("label", Text, ForeignKey("label_versions.digest"), primary_key=True),
    Column("gate", Text, nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    at(),
    Index("ix_gate_decisions_label", "label"),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("step", Text, ForeignKey("steps.key", deferrable=True, initially="DEFERRED"), primary_key=True),
    Column("checkpoint", Text, ForeignKey("checkpoints.digest"), nullable=False),
    Column("dataset", Text, ForeignKey("datasets.name"), nullable=False),
    Column("split", Text, nullable=False),
    Column("measures", JSONB, nullable=False),
    at(),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("recipe", JSONB, nullable=False),
    Column("dataset", Text, ForeignKey("datasets.name"), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("labelled", Text, ForeignKey("dataset_versions.digest"), nullable=False),
    Column("pool", Text, ForeignKey("dataset_versions.digest"), nullable=False),
    at(),
    Index("ix_runs_newest", "at", "id"),
    Index("ix_runs_newest_of_dataset", "dataset", "at", "id"),
)

run_steps = Table(
    "run_steps",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), primary_key=True),
    Column("step", Text, ForeignKey("steps.key"), primary_key=True),
    Column("round", Integer),
    Column("seconds", Double, nullable=False),
    at(),
    Index("ix_run_steps_step", "step"),
    Index("ix_run_steps_round", "run", "round"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    at(),
    CheckConstraint(
        "kind in ('started', 'waiting', 'paused', 'resumed', 'cancelled', 'failed', 'finished', 'queued', 'died')",
        name="kind",
    ),
    Index("ix_run_events_run", "run", "id"),
    Index("ix_run_events_queued", "run", "id", postgresql_where=text("kind = 'queued'")),
    Index("ix_run_events_started", "at", postgresql_where=text("kind = 'started'")),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("note", JSONB, nullable=False),
    Column("progress", Text),
    comment="who works on what until when, and how far they are",
)
