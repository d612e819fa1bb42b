"""The nouns of jobs: data that comes in or goes out while nobody waits for it. Frozen records, like those of `facts.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobKind(StrEnum):
    """What a job does."""

    UPLOAD = "upload"
    """Take in the files that somebody sent."""
    IMPORT = "import"
    """Take in files from a place that the administrator allowed."""
    EXPORT = "export"
    """Pack the slices of a run with their masks into one file."""


class JobStatus(StrEnum):
    """What the facts say of a job. `running`: some process is at it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to be done once, on a data set, for an account (`owner`). `wanted` says what exactly, by kind."""

    id: str
    kind: JobKind
    dataset: str
    owner: str
    wanted: dict[str, Any]
    run: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How a job stands: `done` of `total` while it runs, `outcome` once it is done, `error` and `hint` where it failed."""

    job: Job
    status: JobStatus
    asked_at: datetime
    changed_at: datetime
    done: int = 0
    total: int = 0
    outcome: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    hint: str = ""
