"""The table of requests that may be sent again. It holds a state: what is older than a day is forgotten."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from maskloom.platform.catalog.schema import at, metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account", Text, ForeignKey("accounts.name"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", Text, nullable=False),
    Column("answer", JSONB(none_as_null=True)),
    at(),
    Index("ix_idempotency_keys_at", "at"),
)
