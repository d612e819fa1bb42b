"""The tables of the model registry: named networks, their stages, and what each promotion rests on.

A data set has at most one champion: the model of its newest row of the stage `champion`. The rows of a data set are numbered
one by one, so two promotions at once cannot both be the next.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, ForeignKeyConstraint, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from maskloom.platform.catalog.schema import at, metadata
from maskloom.platform.model_facts import MODEL_NAME

models = Table(
    "models",
    metadata,
    Column("dataset", Text, ForeignKey("datasets.name"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("run", Text, ForeignKey("runs.id"), nullable=False, unique=True),
    Column("checkpoint", Text, ForeignKey("checkpoints.digest"), nullable=False),
    Column("who", Text, nullable=False),
    at(),
    CheckConstraint(f"name ~ '^{MODEL_NAME.pattern}$'", name="name"),
)

model_stages = Table(
    "model_stages",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("who", Text, nullable=False),
    at(),
    ForeignKeyConstraint(["dataset", "model"], ["models.dataset", "models.name"]),
    CheckConstraint("stage in ('candidate', 'champion', 'archived')", name="stage"),
    Index("ix_model_stages_model", "dataset", "model", "number"),
)

model_promotions = Table(
    "model_promotions",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("grounds", Text, nullable=False),
    Column("before", Text),
    Column("reason", Text),
    Column("evaluation", Text, ForeignKey("evaluations.step")),
    Column("evaluation_before", Text, ForeignKey("evaluations.step")),
    Column("comparison", JSONB(none_as_null=True)),
    ForeignKeyConstraint(["dataset", "number"], ["model_stages.dataset", "model_stages.number"]),
    ForeignKeyConstraint(["dataset", "before"], ["models.dataset", "models.name"]),
    CheckConstraint("grounds in ('first', 'better', 'override', 'rollback')", name="grounds"),
    CheckConstraint("grounds <> 'first' or (before is null and evaluation is not null)", name="first"),
    CheckConstraint(
        "grounds <> 'better' or (before is not null and evaluation is not null and evaluation_before is not null "
        "and comparison is not null)",
        name="better",
    ),
    CheckConstraint("grounds <> 'override' or reason is not null", name="override"),
    CheckConstraint("grounds <> 'rollback' or before is not null", name="rollback"),
)
