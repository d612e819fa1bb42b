"""The tables of summaries: what pages ask of facts that are too many to be counted each time.

Triggers keep them (`migrations/versions/0010_summaries.py`), in the transaction that inserts the facts; nothing else writes to
them, and they could be made anew from the facts at any time. Who adds to a split, a run or a step holds a lock on its row until
the transaction ends, which others wait for who add to the same.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from maskloom.platform.catalog.schema import metadata

OPEN_EVENTS = "'queued', 'started', 'waiting', 'resumed', 'died'"
"""The newest event of a run that may still go on is one of these."""

slice_counts = Table(
    "slice_counts",
    metadata,
    Column("dataset", Text, ForeignKey("datasets.name"), primary_key=True),
    Column("split", Text, primary_key=True),
    Column("slices", BigInteger, nullable=False),
)

newest_events = Table(
    "newest_events",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), primary_key=True),
    Column("event", BigInteger, ForeignKey("run_events.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Index(
        "ix_newest_events_open",
        "run",
        postgresql_where=text(f"kind in ({OPEN_EVENTS})"),
    ),
)

step_counts = Table(
    "step_counts",
    metadata,
    # Without a foreign key: labels and decisions come before or after their step, in one transaction with it.
    Column("step", Text, primary_key=True),
    Column("labels", Integer, nullable=False),
    Column("gated", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
)
