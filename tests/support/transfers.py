"""What goes in and out through the service: multipart bodies, zip files, and jobs at any point."""

from __future__ import annotations

import io
import threading
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import jobs
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.imaging.phantom import phantom_volume
from maskloom.platform.job_facts import Job, JobKind
from maskloom.services.jobs import worker
from support.asking import Answer
from support.service import OPEN, Service

BOUNDARY = "----maskloom-test"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def multipart(files: Sequence[tuple[str, str, bytes]]) -> bytes:
    """The body that brings (field, name, content)."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for field, name, content in files
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def zipped(files: Mapping[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def slices(count: int, patient: int, size: int = 64) -> dict[str, tuple[bytes, bytes]]:
    """Images and masks as PNG files, by name."""
    images, masks = phantom_volume(patient, count, size)
    return {
        f"p{patient}_{number:02}.png": (encode_png(image), encode_png(mask))
        for number, (image, mask) in enumerate(zip(images, masks, strict=True), start=1)
    }


def send(
    service: Service,
    files: Sequence[tuple[str, str, bytes]],
    split: str = "unlabelled",
    account: str = "lea",
    dataset: str = OPEN,
) -> Answer:
    """An upload."""
    return send_body(service, multipart(files), split, account, dataset)


def send_body(
    service: Service, body: bytes, split: str = "unlabelled", account: str = "lea", dataset: str = OPEN
) -> Answer:
    """An upload with this very body."""
    browser = service.as_(account)
    path = f"/datasets/{dataset}/uploads?split={split}"
    return browser.send("POST", path, body, Content_Type=MULTIPART)


def done(service: Service, job: str) -> dict[str, Any]:
    """Do a job here and now; how it stands then."""
    worker.do(service.platform, job)
    return dict(service.as_("lea").ask("GET", f"/jobs/{job}").json)


@contextmanager
def at_work(platform: Platform) -> Iterator[None]:
    """Jobs are done meanwhile, as soon as somebody asks for them."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.1):
            for job in platform.database.transaction(jobs.unfinished):
                worker.do(platform, job)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            ended.set()
        working.result()


def export_job(service: Service, kind: str, detail: dict[str, Any]) -> str:
    """An export that has come to this end."""
    job = Job(
        id=uuid.uuid4().hex[:16],
        kind=JobKind.EXPORT,
        dataset=OPEN,
        owner="lea",
        wanted={"format": "png"},
        run=service.run.id,
    )

    def add(connection: Connection) -> None:
        jobs.add(connection, job)
        jobs.add_event(connection, job.id, kind, detail)

    service.platform.database.transaction(add)
    return job.id
