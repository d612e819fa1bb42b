"""The errors a person may see: raised on every floor, printed by `services.cli` as message and hint.

A message says what was wrong and where; the hint says what to do about it. All of them pass unharmed through
`pickle`, because Ray actors raise them in other processes.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class MaskloomError(Exception):
    """Base of every error that maskloom raises on purpose.

    Args:
        message: what was wrong, and where.
        hint: what the person at the keyboard can do about it; empty where nothing can be said.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(MaskloomError):
    """A setting, URL or argument cannot be used as given. `key` names it, where it is one of several that were given."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", key: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key


class SourceUnreadable(MaskloomError):
    """A file or folder that is to be ingested cannot be listed or read."""


class ObjectMissing(MaskloomError):
    """The object store holds no blob of the digest that was asked for."""


class ObjectCorrupt(MaskloomError):
    """A stored blob's bytes do not match its digest."""


class ObjectStoreUnavailable(MaskloomError):
    """The object store cannot be reached, or cannot take any more data; the work can be resumed later."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: "try again later"


class CatalogUnavailable(MaskloomError):
    """The catalog's PostgreSQL cannot be reached or started; the work can be resumed later."""

    exit_code = 75


class ClusterUnavailable(MaskloomError):
    """Ray cannot be started or reached; the work can be resumed later."""

    exit_code = 75


class ToolUnavailable(MaskloomError):
    """The annotation tool cannot be reached or used; the review can be gone on with later."""

    exit_code = 75


class WorkerLost(MaskloomError):
    """Actors died again and again at the same work."""


class LeaseLost(MaskloomError):
    """Another process took over what this one was working on; nothing of this attempt is committed."""

    exit_code = 75


class RunBusy(MaskloomError):
    """Another process drives the run."""

    exit_code = 75


class PromotionRefused(MaskloomError):
    """A network cannot become, or cease to be, the champion of a data set as things stand."""


class NothingToDo(MaskloomError):
    """A data set lacks what a command needs."""

    exit_code = 2


class UnknownName(MaskloomError):
    """There is no run, data set or slice of that name."""

    exit_code = 2


class OutputUnwritable(MaskloomError):
    """A file or folder that a command was told to write cannot be written."""


def disk_hint(
    error: OSError, elsewhere: str = "point MASKLOOM_HOME or MASKLOOM_OBJECTS_URL to another"
) -> str:
    """What to do about a failed file operation, by its `errno`; `elsewhere`: how to take another place."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk is full: free some space, or {elsewhere}."
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"Let this user write there, or {elsewhere}."
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return "A file stands where a folder is needed: move it away, or choose another folder."
    return "Check that the disk is mounted and healthy, then run the same command again."
