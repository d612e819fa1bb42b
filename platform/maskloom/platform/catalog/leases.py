"""Leases: who works on what, until when. The epoch of a name only grows, and it fences off whoever lost the lease.

A lease is free when it has expired, or at once when its holder was a process of this very machine that is gone.
Times are the database's own: clocks of other machines do not matter.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, text

LEASE_S = 12.0
FIRST_EPOCH = 1
"""The epoch of a lease that nobody has held before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A held lease. Only the holder with the newest `epoch` may commit under `name`."""

    name: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Another process that holds a lease, as a person would want it named."""

    host: str
    pid: int
    seconds_left: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@cache
def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else str(psutil.boot_time())


def this_process() -> str:
    """Names this process so that another one can tell whether it still lives."""
    pid = os.getpid()
    return json.dumps(
        {
            "host": socket.gethostname(),
            "boot": _boot_id(),
            "namespace": _pid_namespace(),
            "pid": pid,
            "started": psutil.Process(pid).create_time(),
        }
    )


@cache
def _pid_namespace() -> str:
    # Two containers on one machine share the boot id and may both have a process 1.
    path = Path("/proc/self/ns/pid")
    return str(path.readlink()) if path.exists() else ""


def _is_gone(holder: dict[str, Any]) -> bool:
    if holder["boot"] != _boot_id() or holder["namespace"] != _pid_namespace():
        return False
    try:
        process = psutil.Process(holder["pid"])
        return abs(process.create_time() - holder["started"]) > 1 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def acquire(connection: Connection, name: str, holder: str) -> Lease | Holder:
    """The lease on `name`, or who holds it. Taking over or renewing one's own raises its epoch."""
    first = connection.execute(
        text(
            "insert into leases (name, epoch, holder, expires_at, note) values "
            f"(:name, {FIRST_EPOCH}, :holder, clock_timestamp() + make_interval(secs => :ttl), '{{}}') "
            "on conflict do nothing"
        ),
        {"name": name, "holder": holder, "ttl": LEASE_S},
    )
    if first.rowcount == 1:
        return Lease(name=name, epoch=FIRST_EPOCH)
    row = connection.execute(
        text(
            "select epoch, holder, expires_at <= clock_timestamp() as expired, "
            "case when isfinite(expires_at) then extract(epoch from expires_at - clock_timestamp()) else 0 end as left_s "
            "from leases where name = :name for update"
        ),
        {"name": name},
    ).one()
    held_by = json.loads(row.holder)
    if not row.expired and row.holder != holder and not _is_gone(held_by):
        return Holder(host=held_by["host"], pid=held_by["pid"], seconds_left=float(row.left_s))
    connection.execute(
        text(
            "update leases set epoch = epoch + 1, holder = :holder, "
            "expires_at = clock_timestamp() + make_interval(secs => :ttl) where name = :name"
        ),
        {"name": name, "holder": holder, "ttl": LEASE_S},
    )
    return Lease(name=name, epoch=row.epoch + 1)


def renew(connection: Connection, leases: list[Lease]) -> list[Lease]:
    """Extend `leases`; those that were lost to somebody else are returned."""
    lost = []
    for lease in leases:
        renewed = connection.execute(
            text(
                "update leases set expires_at = clock_timestamp() + make_interval(secs => :ttl) "
                "where name = :name and epoch = :epoch"
            ),
            {"name": lease.name, "epoch": lease.epoch, "ttl": LEASE_S},
        )
        if renewed.rowcount == 0:
            lost.append(lease)
    return lost


def release(connection: Connection, lease: Lease) -> None:
    """Let others have it at once. The epoch grows, so that neither a late commit nor a late renewal of ours counts."""
    connection.execute(
        text(
            "update leases set epoch = epoch + 1, expires_at = '-infinity', note = '{}' "
            "where name = :name and epoch = :epoch"
        ),
        {"name": lease.name, "epoch": lease.epoch},
    )


def finish(connection: Connection, lease: Lease) -> str | None:
    """Release a lease whose work is done; returns the blob that was its progress. Raises LookupError when it is lost.

    Nobody else can take it before the transaction ends, so that a commit cannot be overtaken.
    """
    changes = "epoch = leases.epoch + 1, expires_at = '-infinity', note = '{}', progress = null"
    return _change_progress(connection, lease, changes)


def confirm(connection: Connection, lease: Lease) -> None:
    """Make sure that nobody takes the lease before the transaction ends. Raises LookupError when somebody has."""
    row = connection.execute(
        text("select from leases where name = :name and epoch = :epoch for update"),
        {"name": lease.name, "epoch": lease.epoch},
    ).one_or_none()
    if row is None:
        raise LookupError(lease.name)


def set_progress(connection: Connection, lease: Lease, blob: str) -> str | None:
    """Remember `blob` as how far the work is; returns the blob it replaces. Raises LookupError when the lease is lost."""
    return _change_progress(connection, lease, "progress = :blob", blob=blob)


def _change_progress(connection: Connection, lease: Lease, changes: str, **values: str) -> str | None:
    row = connection.execute(
        text(
            "with held as (select name, progress from leases where name = :name and epoch = :epoch for update) "
            f"update leases set {changes} from held where leases.name = held.name returning held.progress as before"
        ),
        {"name": lease.name, "epoch": lease.epoch, **values},
    ).one_or_none()
    if row is None:
        raise LookupError(lease.name)
    before: str | None = row.before
    return before


def progress(connection: Connection, name: str) -> str | None:
    """The blob that the last holder left as its progress."""
    blob: str | None = connection.scalar(
        text("select progress from leases where name = :name"), {"name": name}
    )
    return blob


def note(connection: Connection, lease: Lease, content: dict[str, Any]) -> None:
    """Say what the holder is doing, for whoever watches."""
    connection.execute(
        text("update leases set note = cast(:note as jsonb) where name = :name and epoch = :epoch"),
        {"name": lease.name, "epoch": lease.epoch, "note": json.dumps(content)},
    )


def current(connection: Connection, name: str) -> tuple[Holder, dict[str, Any]] | None:
    """Who holds `name` now and what they noted; None when it is free."""
    row = connection.execute(
        text(
            "select holder, note, extract(epoch from expires_at - clock_timestamp()) as left_s "
            "from leases where name = :name and expires_at > clock_timestamp()"
        ),
        {"name": name},
    ).one_or_none()
    if row is None or _is_gone(json.loads(row.holder)):
        return None
    held_by = json.loads(row.holder)
    return Holder(host=held_by["host"], pid=held_by["pid"], seconds_left=float(row.left_s)), row.note


def notes(connection: Connection, prefix: str) -> list[dict[str, Any]]:
    """What the holders of all names that start with `prefix` noted, of those that are held now."""
    rows = connection.execute(
        text(
            "select holder, note from leases where starts_with(name, :prefix) and expires_at > clock_timestamp()"
        ),
        {"prefix": prefix},
    )
    return [row.note for row in rows if not _is_gone(json.loads(row.holder))]


def held(connection: Connection, names: list[str]) -> set[str]:
    """Those of `names` that somebody holds now."""
    rows = connection.execute(
        text("select name, holder from leases where name = any(:names) and expires_at > clock_timestamp()"),
        {"names": names},
    )
    return {row.name for row in rows if not _is_gone(json.loads(row.holder))}
