"""Data that commands send to a maskloom that serves, and take from it."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path, PurePosixPath

from rich.console import Console

from maskloom.pipelines.export import ExportSummary
from maskloom.pipelines.out_folder import exported_folder
from maskloom.pipelines.steps.ingest import IngestReport
from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import LabelKind, Quarantined, Split
from maskloom.services.api.transfer_views import ExportFormat
from maskloom.services.cli.bars import counting
from maskloom.services.client import Client

_PACKED = ".packed.zip"


def export_there(client: Client, run: str, out: Path, form: ExportFormat, console: Console) -> ExportSummary:
    """Have a run exported there, and unpack that into the folder `out`, which appears in full or not at all.

    Raises OutputUnwritable, before anything is asked for where `out` is something else; and what the export itself raises.
    """
    with exported_folder(out, run) as (folder, replaced):
        with counting(console, "exporting") as on_progress:
            job = client.jobs.wait(client.exports.start(run, form).id, on_progress)
        packed = folder / _PACKED
        client.exports.download(job.id, packed)
        _unpack(packed, folder)
        packed.unlink()
    by_kind = job.outcome["by_kind"]
    return ExportSummary(
        folder=out,
        slices=job.outcome["slices"],
        by_kind={kind: by_kind[kind] for kind in LabelKind if kind in by_kind},
        empty=job.outcome["empty"],
        network=job.outcome["network"],
        replaced=replaced,
    )


def _unpack(packed: Path, folder: Path) -> None:
    """Unpack what lies in the one folder of a zip file. Nothing in it can lead out of `folder`, or be a link."""
    with zipfile.ZipFile(packed) as archive:
        for entry in archive.infolist():
            _, *parts = PurePosixPath(entry.filename).parts
            if not parts or ".." in parts or entry.filename.startswith("/"):
                raise SettingsError(
                    f"the export has a file {entry.filename[:200]!r}, which leads to another folder",
                    hint="Nothing was kept of it. Check the address of the server.",
                )
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, path.open("xb") as file:
                shutil.copyfileobj(source, file)


def ingest_there(
    client: Client, path: str, masks: str | None, dataset: str, split: Split, console: Console
) -> IngestReport:
    """Send slices, and the masks that experts drew, and have them taken in there.

    Raises SettingsError for what does not lie on this machine, and what the upload itself raises.
    """
    if "s3://" in (path[:5], (masks or "")[:5]):
        raise SettingsError(
            "with --server, files are sent from this machine, and not from a bucket",
            hint="Name a folder, or import on the server's page from a place that its admin allowed.",
        )
    sent = client.uploads.send(
        dataset,
        Path(path).expanduser(),
        split=split,
        masks=Path(masks).expanduser() if masks else None,
    )
    with counting(console, "ingesting") as on_progress:
        outcome = client.jobs.wait(sent.id, on_progress).outcome
    untold = outcome["set_aside"] - len(outcome["reasons"])
    if untold:
        console.print(
            f"{untold:,} more were set aside than are named here: the data set's quarantine has all."
        )
    return IngestReport(
        added=outcome["added"],
        known=outcome["known"],
        labels_added=outcome["masks_added"],
        set_aside=[
            Quarantined(dataset=dataset, split=split, source=one["source"], blob=None, reason=one["reason"])
            for one in outcome["reasons"]
        ],
        warnings=outcome["doubts"],
    )
