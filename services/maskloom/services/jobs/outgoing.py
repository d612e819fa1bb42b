"""Jobs that take the slices and masks of a run out, as one zip file in the object store."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maskloom.pipelines import drive
from maskloom.pipelines.export import FORMATS
from maskloom.pipelines.out_folder import writing
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import jobs, leases, slices
from maskloom.platform.job_facts import Job

_PACKED_BEFORE = {".png", ".jpg", ".jpeg", ".gz", ".safetensors"}
MEDIA_TYPE = "application/zip"


def export(platform: Platform, job: Job, on_progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Export the job's run; what came of it. Raises as the exports do."""
    assert job.run is not None, "exports are of runs"
    run = drive.find(platform, job.run)
    place = platform.settings.home / "jobs"
    _clear(platform, place, job)
    folder, packed = place / job.id / name_of(job), place / job.id / "packed"
    try:
        summary = FORMATS[job.wanted["format"]](platform, run, folder, on_progress)
        with writing(packed):
            _pack(folder, packed)
            size = packed.stat().st_size
        digest = platform.objects.put_file(packed)
    finally:
        shutil.rmtree(place / job.id, ignore_errors=True)
    platform.database.transaction(lambda c: slices.add_blob(c, digest, size, MEDIA_TYPE))
    return {
        "digest": digest,
        "size_bytes": size,
        "slices": summary.slices,
        "by_kind": summary.by_kind,
        "empty": summary.empty,
        "network": summary.network,
    }


def name_of(job: Job) -> str:
    """What an export is called, its zip file and the folder in it; nothing of a patient."""
    return f"maskloom-{job.run}-{job.wanted['format']}"


def _clear(platform: Platform, place: Path, own: Job) -> None:
    """Remove what was left of exports whose processes died."""
    left = [path.name for path in place.iterdir()] if place.is_dir() else []
    names = {jobs.lease_name(job): job for job in left if job != own.id}
    held = platform.database.transaction(lambda c: leases.held(c, list(names)))
    for job in [own.id, *(job for name, job in names.items() if name not in held)]:
        shutil.rmtree(place / job, ignore_errors=True)


def _pack(folder: Path, packed: Path) -> None:
    with zipfile.ZipFile(packed, "x", allowZip64=True) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                kind = zipfile.ZIP_STORED if path.suffix in _PACKED_BEFORE else zipfile.ZIP_DEFLATED
                archive.write(path, path.relative_to(folder.parent), kind)
                path.unlink()
