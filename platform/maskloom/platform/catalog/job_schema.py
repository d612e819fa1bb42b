"""The tables of jobs, which are facts, and of the secret that signs addresses."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from maskloom.platform.catalog.schema import at, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("dataset", Text, ForeignKey("datasets.name"), nullable=False),
    Column("run", Text, ForeignKey("runs.id")),
    Column("owner", Text, ForeignKey("accounts.name"), nullable=False),
    Column("wanted", JSONB, nullable=False),
    at(),
    CheckConstraint("kind in ('upload', 'import', 'export')", name="kind"),
    CheckConstraint("(kind = 'export') = (run is not null)", name="exports_are_of_runs"),
    Index("ix_jobs_dataset", "dataset", "at", "id"),
    Index("ix_jobs_run", "run", "at"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("job", Text, ForeignKey("jobs.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    at(),
    CheckConstraint("kind in ('queued', 'started', 'done', 'failed')", name="kind"),
    Index("ix_job_events_job", "job", "id"),
)

signing_secrets = Table(
    "signing_secrets",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    at(),
)
