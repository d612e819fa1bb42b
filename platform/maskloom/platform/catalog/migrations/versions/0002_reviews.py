"""Reviews: what was shown to whom, what came back, and what was decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

FACT_TABLES = (
    "reviews",
    "review_assignments",
    "review_answers",
    "review_verdicts",
    "review_closings",
    "review_set_aside",
    "review_cursors",
)


def upgrade() -> None:
    op.create_table(
        "review_cursors",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_review_cursors_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_cursors")),
    )
    op.create_index(
        "ix_review_cursors_newest", "review_cursors", ["run", "reader", "tool", "id"], unique=False
    )
    op.create_table(
        "review_set_aside",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["blob"], ["blobs.digest"], name=op.f("fk_review_set_aside_blob")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_review_set_aside_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_set_aside")),
        sa.UniqueConstraint(
            "run",
            "reader",
            "source",
            "reason",
            "blob",
            name=op.f("uq_review_set_aside_run_reader_source_reason_blob"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=True),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_reviews_dataset")),
        sa.ForeignKeyConstraint(
            ["id"], ["steps.key"], name=op.f("fk_reviews_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_reviews_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_run"), "reviews", ["run"], unique=False)
    op.create_table(
        "review_closings",
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["review"], ["reviews.id"], name=op.f("fk_review_closings_review")),
        sa.PrimaryKeyConstraint("review", name=op.f("pk_review_closings")),
    )
    op.create_table(
        "review_assignments",
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "purpose in ('reading', 'gold', 'adjudication')", name=op.f("ck_review_assignments_purpose")
        ),
        sa.CheckConstraint(
            "split <> 'test'", name=op.f("ck_review_assignments_test_slices_are_never_reviewed")
        ),
        sa.ForeignKeyConstraint(
            ["dataset", "slice", "split"],
            ["slices.dataset", "slices.digest", "slices.split"],
            name=op.f("fk_review_assignments_dataset_slice_split"),
        ),
        sa.ForeignKeyConstraint(
            ["label"], ["label_versions.digest"], name=op.f("fk_review_assignments_label")
        ),
        sa.ForeignKeyConstraint(["review"], ["reviews.id"], name=op.f("fk_review_assignments_review")),
        sa.PrimaryKeyConstraint("review", "slice", "reader", name=op.f("pk_review_assignments")),
    )
    op.create_table(
        "review_verdicts",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "(kind in ('accepted', 'corrected')) = (label is not null)", name=op.f("ck_review_verdicts_label")
        ),
        sa.CheckConstraint(
            "kind in ('accepted', 'corrected', 'rejected', 'open')", name=op.f("ck_review_verdicts_kind")
        ),
        sa.ForeignKeyConstraint(["label"], ["label_versions.digest"], name=op.f("fk_review_verdicts_label")),
        sa.ForeignKeyConstraint(["review"], ["reviews.id"], name=op.f("fk_review_verdicts_review")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_review_verdicts")),
    )
    op.create_index("ix_review_verdicts_label", "review_verdicts", ["label"], unique=False)
    op.create_index(
        "ix_review_verdicts_slice", "review_verdicts", ["review", "slice", "number"], unique=False
    )
    op.create_table(
        "review_answers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("lead_time_s", sa.Double(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "(kind in ('accepted', 'corrected')) = (label is not null)", name=op.f("ck_review_answers_label")
        ),
        sa.CheckConstraint(
            "kind in ('accepted', 'corrected', 'rejected', 'withdrawn')", name=op.f("ck_review_answers_kind")
        ),
        sa.ForeignKeyConstraint(["label"], ["label_versions.digest"], name=op.f("fk_review_answers_label")),
        sa.ForeignKeyConstraint(
            ["review", "slice", "reader"],
            ["review_assignments.review", "review_assignments.slice", "review_assignments.reader"],
            name=op.f("fk_review_answers_review_slice_reader"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_answers")),
    )
    op.create_index(
        "ix_review_answers_assignment", "review_answers", ["review", "slice", "reader", "id"], unique=False
    )
    op.add_column("label_versions", sa.Column("reader", sa.Text(), nullable=True))
    op.add_column("label_versions", sa.Column("parent", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_label_versions_parent"), "label_versions", "label_versions", ["parent"], ["digest"]
    )
    op.drop_constraint(op.f("ck_run_events_kind"), "run_events")
    op.create_check_constraint(
        op.f("ck_run_events_kind"),
        "run_events",
        "kind in ('started', 'waiting', 'paused', 'resumed', 'cancelled', 'failed', 'finished')",
    )
    for table in FACT_TABLES:
        op.execute(
            f"create trigger facts_are_never_changed before update or delete or truncate on {table} "
            "for each statement execute function refuse_to_change_facts()"
        )
