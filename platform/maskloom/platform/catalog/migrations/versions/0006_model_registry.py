"""The model registry: named networks, their stages, and what each promotion rests on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        _at(),
        sa.CheckConstraint("name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'", name=op.f("ck_models_name")),
        sa.ForeignKeyConstraint(["checkpoint"], ["checkpoints.digest"], name=op.f("fk_models_checkpoint")),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_models_dataset")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_models_run")),
        sa.PrimaryKeyConstraint("dataset", "name", name=op.f("pk_models")),
        sa.UniqueConstraint("run", name=op.f("uq_models_run")),
    )
    op.create_table(
        "model_stages",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        _at(),
        sa.CheckConstraint(
            "stage in ('candidate', 'champion', 'archived')", name=op.f("ck_model_stages_stage")
        ),
        sa.ForeignKeyConstraint(
            ["dataset", "model"],
            ["models.dataset", "models.name"],
            name=op.f("fk_model_stages_dataset_model"),
        ),
        sa.PrimaryKeyConstraint("dataset", "number", name=op.f("pk_model_stages")),
    )
    op.create_index("ix_model_stages_model", "model_stages", ["dataset", "model", "number"], unique=False)
    op.create_table(
        "model_promotions",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("grounds", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("evaluation", sa.Text(), nullable=True),
        sa.Column("evaluation_before", sa.Text(), nullable=True),
        sa.Column("comparison", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint(
            "grounds in ('first', 'better', 'override', 'rollback')", name=op.f("ck_model_promotions_grounds")
        ),
        sa.CheckConstraint(
            "grounds <> 'first' or (before is null and evaluation is not null)",
            name=op.f("ck_model_promotions_first"),
        ),
        sa.CheckConstraint(
            "grounds <> 'better' or (before is not null and evaluation is not null "
            "and evaluation_before is not null and comparison is not null)",
            name=op.f("ck_model_promotions_better"),
        ),
        sa.CheckConstraint(
            "grounds <> 'override' or reason is not null", name=op.f("ck_model_promotions_override")
        ),
        sa.CheckConstraint(
            "grounds <> 'rollback' or before is not null", name=op.f("ck_model_promotions_rollback")
        ),
        sa.ForeignKeyConstraint(
            ["dataset", "number"],
            ["model_stages.dataset", "model_stages.number"],
            name=op.f("fk_model_promotions_dataset_number"),
        ),
        sa.ForeignKeyConstraint(
            ["dataset", "before"],
            ["models.dataset", "models.name"],
            name=op.f("fk_model_promotions_dataset_before"),
        ),
        sa.ForeignKeyConstraint(
            ["evaluation"], ["evaluations.step"], name=op.f("fk_model_promotions_evaluation")
        ),
        sa.ForeignKeyConstraint(
            ["evaluation_before"], ["evaluations.step"], name=op.f("fk_model_promotions_evaluation_before")
        ),
        sa.PrimaryKeyConstraint("dataset", "number", name=op.f("pk_model_promotions")),
    )
    for table in ("models", "model_stages", "model_promotions"):
        op.execute(
            f"create trigger facts_are_never_changed before update or delete or truncate on {table} "
            "for each statement execute function refuse_to_change_facts()"
        )


def _at() -> sa.Column[object]:
    return sa.Column(
        "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )
