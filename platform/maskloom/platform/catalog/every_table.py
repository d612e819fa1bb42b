"""Every table of the catalog: what migrations and tests compare with."""

from __future__ import annotations

from maskloom.platform.catalog import account_schema, audit_schema, job_schema, review_schema, schema

metadata = schema.metadata
assert review_schema.reviews.metadata is metadata  # importing it has added its tables

STATE_TABLES = {
    table.name
    for table in (
        schema.leases,
        account_schema.accounts,
        account_schema.grants,
        account_schema.tokens,
        account_schema.sessions,
        account_schema.invitations,
        audit_schema.audit_head,
        job_schema.signing_secrets,
    )
}
FACT_TABLES = tuple(table.name for table in metadata.sorted_tables if table.name not in STATE_TABLES)
