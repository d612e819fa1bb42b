"""Every table of the catalog: what migrations and tests compare with."""

from __future__ import annotations

from maskloom.platform.catalog import review_schema, schema

metadata = schema.metadata
assert review_schema.reviews.metadata is metadata  # importing it has added its tables

FACT_TABLES = tuple(table.name for table in metadata.sorted_tables if table.name != schema.leases.name)
