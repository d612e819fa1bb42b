"""Data that comes in and goes out, and the jobs that do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import TypeAdapter

from maskloom.platform.errors import MaskloomError, NothingToDo
from maskloom.platform.facts import Split
from maskloom.platform.job_facts import JobStatus
from maskloom.services.api.transfer_views import ExportFormat, JobView, NewExport, NewImport, SourceView
from maskloom.services.client.files import Form, download
from maskloom.services.client.transport import Transport, part

_JOB = TypeAdapter(JobView)
_SOURCE = TypeAdapter(SourceView)
_LOOK_EVERY_S = 0.5


class Uploads:
    """Slices and masks from this machine."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, dataset: str, images: Path, *, split: Split, masks: Path | None = None) -> JobView:
        """Send slices, and with the splits labelled and test their masks, which have the names of their slices.

        `images` and `masks` are folders, or files: a picture, or a zip file (of which that of `images` may bring both, in
        folders `images` and `masks`). They are read from the disk as they go. An upload takes no Idempotency-Key: once its
        body has begun to go it is not sent again, and ServiceUnavailable says nothing of whether it has come. `jobs.list`
        does; and to send it again takes in nothing twice.
        """
        form = Form({"images": images} | ({"masks": masks} if masks is not None else {}))
        path = f"/datasets/{part(dataset)}/uploads"
        return self._transport.read(
            self._transport.send(path, {"split": split.value}, form.headers, form.body), _JOB
        )


class Imports:
    """Slices and masks from places that the administrator allowed."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def sources(self, dataset: str) -> Iterator[SourceView]:
        """The places from which you may import."""
        return self._transport.everything(f"/datasets/{part(dataset)}/import-sources", _SOURCE)

    def start(
        self, dataset: str, source: str, *, split: Split, folder: str = "", masks: str | None = None
    ) -> JobView:
        """Take in all slices in `folder` of a source, and their masks in the folder `masks` of the same source."""
        wanted = NewImport(source=source, folder=folder, masks=masks, split=split)
        return self._transport.change("POST", f"/datasets/{part(dataset)}/imports", _JOB, wanted)


class Exports:
    """The slices and masks of runs, as zip files."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, run: str) -> Iterator[JobView]:
        """The newest exports of a run."""
        return self._transport.everything(f"/runs/{part(run)}/exports", _JOB)

    def start(self, run: str, form: ExportFormat = ExportFormat.PNG) -> JobView:
        """Have the slices and masks of a run packed, as they are when that is done."""
        return self._transport.change("POST", f"/runs/{part(run)}/exports", _JOB, NewExport(format=form))

    def download(self, job: str, out: Path) -> None:
        """Write the zip file of an export that is done to `out`, which is there once it is whole and what it was packed as.

        Raises NothingToDo for an export that is not done, and OutputUnwritable.
        """
        found = self._transport.get(f"/jobs/{part(job)}", _JOB)
        if found.status is not JobStatus.DONE or "digest" not in found.outcome:
            raise NothingToDo("there is nothing to download of this job", hint="Wait until it is done.")
        address = self._transport.leads_to(f"/exports/{part(job)}/download")
        download(self._transport, _file(job), out, query=address, digest=found.outcome["digest"])

    def file(self, job: str, expires: str, signature: str, out: Path) -> None:
        """Write an export's zip file from a signed address that somebody passed on; `download` finds one by itself."""
        download(self._transport, _file(job), out, query={"expires": expires, "signature": signature})


class Jobs:
    """What comes of uploads, imports and exports."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, dataset: str) -> Iterator[JobView]:
        """The uploads, imports and exports of a data set, newest first."""
        return self._transport.everything(f"/datasets/{part(dataset)}/jobs", _JOB, limit=500)

    def get(self, job: str) -> JobView:
        """How a job stands, and what came of it."""
        return self._transport.get(f"/jobs/{part(job)}", _JOB)

    def again(self, job: str) -> JobView:
        """Ask again for a job that has failed."""
        return self._transport.change("POST", f"/jobs/{part(job)}/again", _JOB)

    def wait(self, job: str, on_progress: Callable[[int, int], None] | None = None) -> JobView:
        """The job once it is done; until then, `on_progress` is told how many slices of how many are.

        Raises MaskloomError with what went wrong where the job has failed.
        """
        while True:
            found = self.get(job)
            if found.status is JobStatus.FAILED:
                raise MaskloomError(found.error, hint=found.hint)
            if on_progress is not None and found.total:
                on_progress(found.done, found.total)
            if found.status is JobStatus.DONE:
                return found
            time.sleep(_LOOK_EVERY_S)


def _file(job: str) -> str:
    return f"/exports/{part(job)}/file"
