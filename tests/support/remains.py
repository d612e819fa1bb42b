"""What a run has left behind, in a form that can be compared with what another one of the same recipe has left."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, text

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog.every_table import FACT_TABLES, metadata
from maskloom.platform.fingerprint import sha256

# How often something was tried, by whom and when, differs from start to start. What came of it must not.
_HISTORY = {"attempts", "attempt_errors", "run_events", "quarantine"}
_CIRCUMSTANCES = {"at", "seconds", "attempt"}
_TIMINGS = {"compute_s", "images_per_s"}


def facts(platform: Platform) -> dict[str, list[str]]:
    """Every fact of the catalog, by table, as sorted JSON; without times and timings."""
    return platform.database.transaction(_facts)


def _facts(connection: Connection) -> dict[str, list[str]]:
    found = {}
    for name in sorted(set(FACT_TABLES) - _HISTORY):
        columns = [
            column.name for column in metadata.tables[name].columns if column.name not in _CIRCUMSTANCES
        ]
        rows = connection.execute(text(f"select {', '.join(columns)} from {name}")).mappings()
        found[name] = sorted(json.dumps(_untimed(dict(row)), sort_keys=True) for row in rows)
    return found


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untimed(item) for key, item in value.items() if key not in _TIMINGS}
    return [_untimed(item) for item in value] if isinstance(value, list) else value


def loose_ends(platform: Platform) -> list[str]:
    """What a finished run should not leave: held leases, saved progress, steps with two results, blobs that are not there."""
    return platform.database.transaction(lambda connection: _loose_ends(connection, platform))


def _loose_ends(connection: Connection, platform: Platform) -> list[str]:
    held = connection.scalars(text("select name from leases where expires_at > clock_timestamp()")).all()
    saved = connection.scalars(text("select name from leases where progress is not null")).all()
    twice = connection.scalars(
        text(
            "select step || ' ' || slice from label_versions where step is not null group by step, slice having count(*) > 1 "
            "union all select step from checkpoints group by step having count(*) > 1"
        )
    ).all()
    blobs = connection.execute(text("select digest, size_bytes from blobs")).all()
    bad = [row.digest for row in blobs if not _intact(platform, row.digest, row.size_bytes)]
    return (
        [f"{name} is still held" for name in held]
        + [f"{name} still has saved progress" for name in saved]
        + [f"{name} has two results" for name in twice]
        + [f"blob {digest} is missing or damaged" for digest in bad]
    )


def _intact(platform: Platform, digest: str, size: int) -> bool:
    if not platform.objects.has(digest):
        return False
    data = platform.objects.get(digest)
    return len(data) == size and sha256(data) == digest
