"""The demo through a service: its CT uploaded, its run queued, its readers simulated in Label Studio, its masks exported."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr
from rich.console import Console

from maskloom.platform.facts import Split
from maskloom.services.bridge.label_studio.client import Client as LabelStudio
from maskloom.services.bridge.label_studio.hand import LabelStudioHand
from maskloom.services.bridge.tool import Desk
from maskloom.services.cli import demo, demo_review
from maskloom.services.client import Client
from stack.parts import Stack

READERS = 2
_SHORTER = [
    # Whether all parts work together shows in a few steps. A cluster is taken to have GPUs, for which bfloat16 is quick.
    *(f"{stage}.steps=10" for stage in ("supervised", "fine_tune", "pretrain", "final")),
    *(f"{part}.precision=fp32" for part in ("supervised", "fine_tune", "pretrain", "final", "prediction")),
]
_LONGEST_S = 3600.0
_LOOK_EVERY_S = 2.0
_OVER = {"finished", "failed", "cancelled"}


def work(stack: Stack, console: Console, look: Callable[[], None]) -> tuple[dict[str, Any], int]:
    """The record of the run when it is over, and how many masks its export has. `look` is called again and again meanwhile."""
    ct = demo.draw(stack.folder / "ct", console)
    readers = demo_review.imperfect_readers(READERS, ct)
    with Client(stack.addresses["api"]) as client:
        client.session.accept(_invitation(stack), "correct horse battery", "ada")
        client.datasets.make(demo.DATASET)
        for split in Split:
            masks = None if split is Split.UNLABELLED else ct / split / "masks"
            sent = client.uploads.send(demo.DATASET, ct / split / "images", split=split, masks=masks)
            console.print(f"{split}: {client.jobs.wait(sent.id).outcome['added']} slices")
        settings = [*demo.SETTINGS, *_SHORTER, *demo_review.review_settings(readers)]
        run = client.runs.start(demo.DATASET, demo.RECIPE, settings=settings, workers=2).id
        console.print(f"run {run} is queued")
        classes = tuple(client.datasets.get(demo.DATASET).classes)
        tool = LabelStudio(stack.addresses["Label Studio"], SecretStr(stack.variables["LABEL_STUDIO_TOKEN"]))
        deadline = time.monotonic() + _LONGEST_S
        while (record := client.runs.get(run))["status"] not in _OVER:
            assert time.monotonic() < deadline, f"run {run} has not ended: {record}"
            look()
            for reader in readers if record["status"] == "waiting" else ():
                read = reader.read_all(
                    LabelStudioHand(tool, Desk(run=run, reader=reader.name, classes=classes))
                )
                if read:
                    console.print(
                        f"{reader.name} has answered {read} masks of round {record['rounds_done'] + 1}"
                    )
            time.sleep(_LOOK_EVERY_S)
        tool.close()
        assert record["status"] == "finished", record["errors"]
        assert {one.closed for one in client.reviews.list(run=run)} == {"everything is read"}
        job = client.jobs.wait(client.exports.start(run).id)
        client.exports.download(job.id, stack.folder / "export.zip")
    with zipfile.ZipFile(stack.folder / "export.zip") as archive:
        return dict(record), sum("/masks/" in name and name.endswith(".png") for name in archive.namelist())


def _invitation(stack: Stack) -> str:
    """The secret of the first admin's link, which the service has printed."""
    found = re.search(r"/welcome#(\S+)", stack.servers["api"].said())
    assert found, stack.servers["api"].said()
    return found[1]
