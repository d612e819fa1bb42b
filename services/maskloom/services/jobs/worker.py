"""The process that does one job: `python -m maskloom.services.jobs.worker JOB`.

It ends when the process does that started it, whose end closes its standard input; another one then does the job anew.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import jobs, leases
from maskloom.platform.catalog.keeper import LeaseKeeper
from maskloom.platform.errors import (
    MaskloomError,
    ObjectStoreUnavailable,
    OutputUnwritable,
    SettingsError,
)
from maskloom.platform.failpoints import reach
from maskloom.platform.job_facts import Job, JobKind
from maskloom.services.jobs.incoming import take_in_import, take_in_upload
from maskloom.services.jobs.outgoing import export
from maskloom.services.logs import write_log
from maskloom.services.scheduler.orphans import end_with_the_parent

OnProgress = Callable[[int, int], None]
_WAYS: dict[JobKind, Callable[[Platform, Job, OnProgress], dict[str, Any]]] = {
    JobKind.UPLOAD: take_in_upload,
    JobKind.IMPORT: take_in_import,
    JobKind.EXPORT: export,
}
_OURS = (ObjectStoreUnavailable, OutputUnwritable, SettingsError)
"""What the administrator has to see to, and what may say where things are."""
_INTERRUPTED = 130
_log = logging.getLogger(__name__)


def main(job: str) -> int:
    """Do the job; the exit code."""
    write_log(sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=end_with_the_parent, name="parent watch", daemon=True).start()
    try:
        with open_platform() as platform:
            do(platform, job)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except MaskloomError as error:
        _log.error("job %s: %s %s", job, error.message, error.hint)
        return error.exit_code
    return 0


def do(platform: Platform, job_id: str) -> None:
    """Do a job unless somebody else is at it or it is over. What goes wrong with it is kept as its outcome."""

    def take(connection: Connection) -> tuple[leases.Lease, Job | None] | None:
        lease = leases.acquire(connection, jobs.lease_name(job_id), leases.this_process())
        return (lease, jobs.start(connection, job_id)) if isinstance(lease, leases.Lease) else None

    taken = platform.database.transaction(take)
    if taken is None:
        return
    lease, job = taken
    keeper = LeaseKeeper(platform.database, lease)
    try:
        if job is not None:
            kind, detail = _outcome(platform, job, keeper)
            reach("committing", job.kind)
            _settle(platform, lease, job, kind, detail)
    except KeyboardInterrupt:
        # Asked to end, it has not died: that does not count.
        platform.database.transaction(lambda c: jobs.give_back(c, job_id))
        raise
    finally:
        keeper.close()
        platform.database.transaction(lambda c: leases.release(c, lease))


def _outcome(platform: Platform, job: Job, keeper: LeaseKeeper) -> tuple[str, dict[str, Any]]:
    try:
        outcome = _WAYS[job.kind](
            platform, job, lambda done, total: keeper.say({"done": done, "total": total})
        )
    except _OURS as error:
        _log.error("job %s failed: %s %s", job.id, error.message, error.hint)
        hint = "Its log says why. Ask an admin to see to it, and then ask for the same again."
        return "failed", {"error": "maskloom could not do it", "hint": hint}
    except MaskloomError as error:
        return "failed", {"error": error.message, "hint": error.hint}
    return "done", outcome


def _settle(platform: Platform, lease: leases.Lease, job: Job, kind: str, detail: dict[str, Any]) -> None:
    def commit(connection: Connection) -> None:
        leases.finish(connection, lease)
        jobs.add_event(connection, job.id, kind, detail)

    try:
        platform.database.transaction(commit)
    except LookupError:
        _log.warning("job %s: another process took it over", job.id)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
