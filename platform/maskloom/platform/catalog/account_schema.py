"""The tables of accounts. They hold a state, which may change: what happened to it is in the audit trail.

Of secrets they have digests alone: sha256 of those that maskloom made, which are too long to guess, and argon2 of passwords.
"""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, ForeignKey, Index, Table, Text, false, true

from maskloom.platform.account_facts import ACCOUNT_NAME
from maskloom.platform.catalog.schema import at, metadata

_ROLES = "'viewer', 'reader', 'lead'"


def _account(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column("account", Text, ForeignKey("accounts.name"), primary_key=primary_key, nullable=nullable)


def _expires() -> Column[object]:
    return Column("expires_at", DateTime(timezone=True), nullable=False)


accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("password", Text),
    Column("admin", Boolean, nullable=False, server_default=false()),
    Column("active", Boolean, nullable=False, server_default=true()),
    at(),
    CheckConstraint(f"name ~ '^{ACCOUNT_NAME.pattern}$'", name="name"),
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    _account(),
    at(),
    Index("ix_identities_account", "account"),
)

grants = Table(
    "grants",
    metadata,
    _account(primary_key=True),
    Column("dataset", Text, ForeignKey("datasets.name"), primary_key=True),
    Column("role", Text, nullable=False),
    at(),
    CheckConstraint(f"role in ({_ROLES})", name="role"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    Column("label", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("dataset", Text, ForeignKey("datasets.name")),
    Column("secret", Text, nullable=False),
    Column("used_at", DateTime(timezone=True)),
    _expires(),
    at(),
    CheckConstraint(f"role in ({_ROLES}, 'admin')", name="role"),
    Index("ix_tokens_account", "account"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("secret", Text, primary_key=True),
    _account(),
    Column("address", Text, nullable=False, server_default=""),
    _expires(),
    at(),
    Index("ix_sessions_account", "account"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("secret", Text, primary_key=True),
    _account(nullable=True),
    _expires(),
    at(),
)
