"""Summaries of facts that are too many to be counted for each page, and indexes for what pages and schedulers ask."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# Of several that one transaction changes, always in the same order: so nobody waits in a circle.
COUNT_SLICES = """
create function count_slices() returns trigger language plpgsql as $$
begin
    insert into slice_counts as kept (dataset, split, slices)
    select dataset, split, count(*) from added group by dataset, split order by dataset, split
    on conflict (dataset, split) do update set slices = kept.slices + excluded.slices;
    return null;
end
$$
"""
# Events of a run become visible in the order of their ids: who records one holds a lock of its run.
KEEP_NEWEST_EVENT = """
create function keep_newest_event() returns trigger language plpgsql as $$
begin
    insert into newest_events as kept (run, event, kind) values (new.run, new.id, new.kind)
    on conflict (run) do update set event = excluded.event, kind = excluded.kind
    where excluded.event > kept.event;
    return null;
end
$$
"""
COUNT_LABELS = """
create function count_labels() returns trigger language plpgsql as $$
begin
    insert into step_counts as kept (step, labels, gated, kept)
    select step, count(*), 0, 0 from added where step is not null group by step order by step
    on conflict (step) do update set labels = kept.labels + excluded.labels;
    return null;
end
$$
"""
COUNT_DECISIONS = """
create function count_decisions() returns trigger language plpgsql as $$
begin
    insert into step_counts as before (step, labels, gated, kept)
    select step, 0, count(*), count(*) filter (where kept) from added group by step order by step
    on conflict (step) do update set gated = before.gated + excluded.gated, kept = before.kept + excluded.kept;
    return null;
end
$$
"""


def upgrade() -> None:
    # What others insert meanwhile is counted by the triggers, once they are there.
    op.execute("lock table slices, run_events, label_versions, gate_decisions in share row exclusive mode")
    _tables()
    _first_contents()
    for function in (COUNT_SLICES, KEEP_NEWEST_EVENT, COUNT_LABELS, COUNT_DECISIONS):
        op.execute(function)
    for table, function in (
        ("slices", "count_slices"),
        ("label_versions", "count_labels"),
        ("gate_decisions", "count_decisions"),
    ):
        op.execute(
            f"create trigger kept_in_summary after insert on {table} referencing new table as added "
            f"for each statement execute function {function}()"
        )
    op.execute(
        "create trigger kept_in_summary after insert on run_events for each row execute function keep_newest_event()"
    )
    op.create_index("ix_runs_newest", "runs", ["at", "id"], unique=False)
    op.create_index("ix_runs_newest_of_dataset", "runs", ["dataset", "at", "id"], unique=False)
    op.create_index("ix_run_steps_round", "run_steps", ["run", "round"], unique=False)
    op.create_index("ix_slices_name", "slices", ["dataset", "name"], unique=False)
    op.create_index("ix_attempts_run", "attempts", ["run"], unique=False)
    op.create_index("ix_steps_kind", "steps", ["kind"], unique=False)
    op.create_index(
        "ix_label_versions_expert",
        "label_versions",
        ["dataset", "split"],
        unique=False,
        postgresql_where="kind = 'expert'",
    )
    op.create_index(
        "ix_run_events_started", "run_events", ["at"], unique=False, postgresql_where="kind = 'started'"
    )


def _tables() -> None:
    op.create_table(
        "slice_counts",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("slices", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_slice_counts_dataset")),
        sa.PrimaryKeyConstraint("dataset", "split", name=op.f("pk_slice_counts")),
    )
    op.create_table(
        "newest_events",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["event"], ["run_events.id"], name=op.f("fk_newest_events_event")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_newest_events_run")),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_newest_events")),
    )
    op.create_index(
        "ix_newest_events_open",
        "newest_events",
        ["run"],
        unique=False,
        postgresql_where="kind in ('queued', 'started', 'waiting', 'resumed', 'died')",
    )
    op.create_table(
        "step_counts",
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("gated", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_step_counts")),
    )


def _first_contents() -> None:
    op.execute("insert into slice_counts select dataset, split, count(*) from slices group by dataset, split")
    op.execute(
        "insert into newest_events select distinct on (run) run, id, kind from run_events order by run, id desc"
    )
    op.execute(
        "insert into step_counts select step, sum(labels), sum(gated), sum(kept) from ("
        "select step, count(*) as labels, 0 as gated, 0 as kept from label_versions where step is not null group by step "
        "union all select step, 0, count(*), count(*) filter (where kept) from gate_decisions group by step"
        ") counted group by step"
    )
