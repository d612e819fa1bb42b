"""Jobs: uploads, imports and exports that somebody asked for, and the secret that signs addresses of what came out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def _at() -> sa.Column[object]:
    return sa.Column(
        "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("wanted", postgresql.JSONB(), nullable=False),
        _at(),
        sa.CheckConstraint("kind in ('upload', 'import', 'export')", name=op.f("ck_jobs_kind")),
        sa.CheckConstraint("(kind = 'export') = (run is not null)", name=op.f("ck_jobs_exports_are_of_runs")),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_jobs_dataset")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_jobs_run")),
        sa.ForeignKeyConstraint(["owner"], ["accounts.name"], name=op.f("fk_jobs_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_dataset", "jobs", ["dataset", "at", "id"], unique=False)
    op.create_index("ix_jobs_run", "jobs", ["run", "at"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        _at(),
        sa.CheckConstraint(
            "kind in ('queued', 'started', 'done', 'failed')", name=op.f("ck_job_events_kind")
        ),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_job_events_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_events")),
    )
    op.create_index("ix_job_events_job", "job_events", ["job", "id"], unique=False)
    op.create_table(
        "signing_secrets",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        _at(),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_signing_secrets")),
    )
    for table in ("jobs", "job_events"):
        op.execute(
            f"create trigger facts_are_never_changed before update or delete or truncate on {table} "
            "for each statement execute function refuse_to_change_facts()"
        )
