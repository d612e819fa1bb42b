"""Jobs that take slices into a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maskloom.pipelines.steps.ingest import IngestReport, Intake, ingest
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import slices
from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import Quarantined, Split
from maskloom.platform.job_facts import Job
from maskloom.platform.objects.sources import Source, folder_below, open_source
from maskloom.services.intake import parcel
from maskloom.services.intake.parcel import StoredFiles

_TOLD = 100
"""So many reasons and doubts an outcome names; the quarantine has them all."""


def take_in_upload(platform: Platform, job: Job, on_progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Take in what somebody sent; what came of it."""
    sent = parcel.load(platform, job.wanted["parcel"])
    split = Split(job.wanted["split"])
    refused = [
        Quarantined(dataset=job.dataset, split=split, source=name, blob=None, reason=reason)
        for name, reason in sent.set_aside
    ]
    platform.database.transaction(lambda c: slices.set_aside(c, refused))
    images = StoredFiles(objects=platform.objects, digests=sent.images)
    masks = StoredFiles(objects=platform.objects, digests=sent.masks)
    report = _ingest(platform, job, images, None if split is Split.UNLABELLED else masks, on_progress)
    report.set_aside = refused + report.set_aside
    return _told(report)


def take_in_import(platform: Platform, job: Job, on_progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Take in what lies in a place that the administrator allowed; what came of it."""
    url = platform.settings.sources.get(job.wanted["source"])
    if url is None:
        raise SettingsError(
            f"MASKLOOM_IMPORT_SOURCES has no {job.wanted['source']!r}", hint="It had when it was asked for."
        )
    masks = job.wanted["masks"]
    return _told(
        _ingest(
            platform,
            job,
            open_source(folder_below(url, job.wanted["folder"])),
            None if masks is None else open_source(folder_below(url, masks)),
            on_progress,
        )
    )


def _ingest(
    platform: Platform,
    job: Job,
    images: Source,
    masks: Source | None,
    on_progress: Callable[[int, int], None],
) -> IngestReport:
    intake = Intake(images=images, masks=masks, dataset=job.dataset, split=Split(job.wanted["split"]))
    return ingest(platform, intake, on_progress)


def _told(report: IngestReport) -> dict[str, Any]:
    return {
        "added": report.added,
        "known": report.known,
        "masks_added": report.labels_added,
        "set_aside": len(report.set_aside),
        "reasons": [{"source": one.source, "reason": one.reason} for one in report.set_aside[:_TOLD]],
        "doubts": report.warnings[:_TOLD],
    }
