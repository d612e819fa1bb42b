"""A queue: runs that are left to schedulers, and drivers that died under them."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_BEFORE = "'started', 'waiting', 'paused', 'resumed', 'cancelled', 'failed', 'finished'"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_run_events_kind"), "run_events", type_="check")
    op.create_check_constraint(
        op.f("ck_run_events_kind"), "run_events", f"kind in ({_BEFORE}, 'queued', 'died')"
    )
    op.create_index(
        "ix_run_events_queued", "run_events", ["run", "id"], unique=False, postgresql_where="kind = 'queued'"
    )
