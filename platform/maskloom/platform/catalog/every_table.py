"""Every table of the catalog: what migrations and tests compare with."""

from __future__ import annotations

from maskloom.platform.catalog import (
    account_schema,
    audit_schema,
    idempotency_schema,
    job_schema,
    registry_schema,
    review_schema,
    schema,
    summary_schema,
)

metadata = schema.metadata
for _part in (review_schema.reviews, registry_schema.models):
    assert _part.metadata is metadata  # importing its module has added it

STATE_TABLES = {
    table.name
    for table in (
        schema.leases,
        account_schema.accounts,
        account_schema.identities,
        account_schema.grants,
        account_schema.tokens,
        account_schema.sessions,
        account_schema.invitations,
        audit_schema.audit_head,
        idempotency_schema.idempotency_keys,
        summary_schema.slice_counts,
        summary_schema.newest_events,
        summary_schema.step_counts,
        job_schema.signing_secrets,
    )
}
FACT_TABLES = tuple(table.name for table in metadata.sorted_tables if table.name not in STATE_TABLES)
