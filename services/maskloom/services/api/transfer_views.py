"""Data that comes in and goes out, as records: the routes and the client share them, so nothing heavy is imported here."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from maskloom.platform.facts import Split
from maskloom.platform.job_facts import JobKind, JobStatus


class JobView(BaseModel):
    """A job. It is done by a scheduler; ask for it again to see how it goes."""

    id: str = Field(examples=["5d1f09c2a7e34b86"])
    kind: JobKind
    dataset: str
    run: str | None
    owner: str = Field(description="Who asked for it.")
    wanted: dict[str, Any] = Field(examples=[{"format": "png"}])
    status: JobStatus
    done: int
    total: int = Field(description="Of how many slices; 0 where that is not known.")
    asked_at: datetime
    changed_at: datetime
    outcome: dict[str, Any] = Field(
        description="What came of it, once it is done: how many slices, and what was set aside and why.",
        examples=[{"added": 118, "known": 0, "masks_added": 118, "set_aside": 2}],
    )
    error: str
    hint: str


class SourceView(BaseModel):
    """A place to import from."""

    label: str = Field(examples=["radiology"])


class NewImport(BaseModel):
    """What to import: all slices in `folder` of a source, and their masks in the folder `masks` of the same source."""

    source: str = Field(max_length=64, examples=["radiology"])
    folder: str = Field("", max_length=500, examples=["2026/labelled/images"])
    masks: str | None = Field(None, max_length=500, examples=["2026/labelled/masks"])
    split: Split


class ExportFormat(StrEnum):
    """What the packed folder is like."""

    PNG = "png"
    COCO = "coco"


class NewExport(BaseModel):
    """How the slices and masks of a run are to be taken out."""

    format: ExportFormat
