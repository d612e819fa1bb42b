"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


FACT_TABLES = (
    "blobs",
    "datasets",
    "slices",
    "quarantine",
    "dataset_versions",
    "runs",
    "attempts",
    "attempt_errors",
    "steps",
    "checkpoints",
    "label_versions",
    "dataset_version_items",
    "gate_decisions",
    "evaluations",
    "run_steps",
    "run_events",
)

REFUSE_CHANGES = """
create function refuse_to_change_facts() returns trigger language plpgsql as $$
begin
    raise exception 'facts are inserted, never changed: % on % was refused', tg_op, tg_table_name
        using errcode = 'restrict_violation';
end
$$
"""


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
    )
    op.create_table(
        "datasets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("classes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_datasets")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        comment="the one mutable table: who works on what until when, and how far they are",
    )
    op.create_table(
        "dataset_versions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_dataset_versions_dataset")),
        sa.ForeignKeyConstraint(
            ["parent"], ["dataset_versions.digest"], name=op.f("fk_dataset_versions_parent")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_dataset_versions")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["blob"], ["blobs.digest"], name=op.f("fk_quarantine_blob")),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_quarantine_dataset")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint(
            "dataset",
            "split",
            "source",
            "blob",
            "reason",
            name=op.f("uq_quarantine_dataset_split_source_blob_reason"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "slices",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("volume", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("perceptual_hash", sa.BigInteger(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=True),
        sa.Column("spacing_mm", postgresql.ARRAY(sa.Double()), nullable=True),
        sa.Column("intensity", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("split in ('labelled', 'unlabelled', 'test')", name=op.f("ck_slices_split")),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_slices_dataset")),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_slices_digest")),
        sa.PrimaryKeyConstraint("dataset", "digest", name=op.f("pk_slices")),
        sa.UniqueConstraint("dataset", "digest", "split", name=op.f("uq_slices_dataset_digest_split")),
    )
    op.create_index(
        "ix_slices_order", "slices", ["dataset", "split", "volume", "position", "digest"], unique=False
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recipe", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("labelled", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_runs_dataset")),
        sa.ForeignKeyConstraint(["labelled"], ["dataset_versions.digest"], name=op.f("fk_runs_labelled")),
        sa.ForeignKeyConstraint(["pool"], ["dataset_versions.digest"], name=op.f("fk_runs_pool")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_attempts_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_step"), "attempts", ["step"], unique=False)
    op.create_table(
        "run_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind in ('started', 'paused', 'resumed', 'cancelled', 'failed', 'finished')",
            name=op.f("ck_run_events_kind"),
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_run_events_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_events")),
    )
    op.create_index("ix_run_events_run", "run_events", ["run", "id"], unique=False)
    op.create_table(
        "attempt_errors",
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.id"], name=op.f("fk_attempt_errors_attempt")),
        sa.PrimaryKeyConstraint("attempt", name=op.f("pk_attempt_errors")),
    )
    op.create_table(
        "steps",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("identity", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("output", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.id"], name=op.f("fk_steps_attempt")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_steps")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_checkpoints_digest")),
        sa.ForeignKeyConstraint(
            ["step"], ["steps.key"], name=op.f("fk_checkpoints_step"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "run_steps",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_run_steps_run")),
        sa.ForeignKeyConstraint(["step"], ["steps.key"], name=op.f("fk_run_steps_step")),
        sa.PrimaryKeyConstraint("run", "step", name=op.f("pk_run_steps")),
    )
    op.create_index("ix_run_steps_step", "run_steps", ["step"], unique=False)
    op.create_table(
        "evaluations",
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("measures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["checkpoint"], ["checkpoints.digest"], name=op.f("fk_evaluations_checkpoint")
        ),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_evaluations_dataset")),
        sa.ForeignKeyConstraint(
            ["step"], ["steps.key"], name=op.f("fk_evaluations_step"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "label_versions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mask", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("checkpoint", sa.Text(), nullable=True),
        sa.Column("scores", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind <> 'pseudo' or (step is not null and checkpoint is not null)",
            name=op.f("ck_label_versions_provenance"),
        ),
        sa.CheckConstraint(
            "kind = 'expert' or split <> 'test'",
            name=op.f("ck_label_versions_test_slices_have_expert_labels_only"),
        ),
        sa.CheckConstraint(
            "kind in ('pseudo', 'accepted', 'corrected', 'expert')", name=op.f("ck_label_versions_kind")
        ),
        sa.ForeignKeyConstraint(
            ["checkpoint"], ["checkpoints.digest"], name=op.f("fk_label_versions_checkpoint")
        ),
        sa.ForeignKeyConstraint(
            ["dataset", "slice", "split"],
            ["slices.dataset", "slices.digest", "slices.split"],
            name=op.f("fk_label_versions_dataset_slice_split"),
        ),
        sa.ForeignKeyConstraint(["mask"], ["blobs.digest"], name=op.f("fk_label_versions_mask")),
        sa.ForeignKeyConstraint(
            ["step"],
            ["steps.key"],
            name=op.f("fk_label_versions_step"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_label_versions")),
    )
    op.create_index("ix_label_versions_slice", "label_versions", ["dataset", "slice"], unique=False)
    op.create_index("ix_label_versions_step", "label_versions", ["step"], unique=False)
    op.create_table(
        "dataset_version_items",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "split <> 'test'", name=op.f("ck_dataset_version_items_test_slices_are_never_trained_on")
        ),
        sa.ForeignKeyConstraint(
            ["dataset", "slice", "split"],
            ["slices.dataset", "slices.digest", "slices.split"],
            name=op.f("fk_dataset_version_items_dataset_slice_split"),
        ),
        sa.ForeignKeyConstraint(
            ["label"], ["label_versions.digest"], name=op.f("fk_dataset_version_items_label")
        ),
        sa.ForeignKeyConstraint(
            ["version"], ["dataset_versions.digest"], name=op.f("fk_dataset_version_items_version")
        ),
        sa.PrimaryKeyConstraint("version", "slice", name=op.f("pk_dataset_version_items")),
    )
    op.create_table(
        "gate_decisions",
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["label"], ["label_versions.digest"], name=op.f("fk_gate_decisions_label")),
        sa.ForeignKeyConstraint(
            ["step"],
            ["steps.key"],
            name=op.f("fk_gate_decisions_step"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("step", "label", name=op.f("pk_gate_decisions")),
    )
    op.create_index("ix_gate_decisions_label", "gate_decisions", ["label"], unique=False)
    op.execute(REFUSE_CHANGES)
    for table in FACT_TABLES:
        op.execute(
            f"create trigger facts_are_never_changed before update or delete or truncate on {table} "
            "for each statement execute function refuse_to_change_facts()"
        )
