"""Where each reader works, and what was asked of who carries masks and answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

FACT_TABLES = ("review_desks", "review_requests")


def upgrade() -> None:
    op.create_table(
        "review_desks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_review_desks_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_desks")),
    )
    op.create_index("ix_review_desks_newest", "review_desks", ["run", "reader", "id"], unique=False)
    op.create_table(
        "review_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_review_requests_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_requests")),
    )
    op.create_index("ix_review_requests_newest", "review_requests", ["run", "id"], unique=False)
    for table in FACT_TABLES:
        op.execute(
            f"create trigger facts_are_never_changed before update or delete or truncate on {table} "
            "for each statement execute function refuse_to_change_facts()"
        )
