"""A review in a real Label Studio with a bridge process of its own, both of which can be killed, and who reads in it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from sqlalchemy import text

from faults.receiver import Receiver
from maskloom.pipelines import drive
from maskloom.pipelines.parameters import ReviewParameters, SamplerParameters
from maskloom.platform.catalog import reviews
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.imaging.masks import binary
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from maskloom.services.bridge import brush, process
from maskloom.services.bridge.label_studio.client import Client, Json
from maskloom.services.bridge.label_studio.server import Access
from maskloom.services.bridge.tool import Desk
from support.label_studio import LabelStudioServer
from support.painted import DATASET, SIZE, Grey, quick_recipe
from support.reviewing import Ward, ward
from support.servers import PostgresServer, free_ports

READER = "reader"
_PATIENCE_S = 300.0
_ANSWERS = """select a.slice, a.kind, l.mask, a.source from review_answers a
left join label_versions l on l.digest = a.label order by a.id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer in the catalog, with the digest of the mask that it gave."""

    slice: str
    kind: str
    mask: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What the reader did with a slice: a mask (None: rejected), and how long Label Studio took for it."""

    slice: str
    mask: Grey | None
    seconds: float


@dataclass(slots=True, kw_only=True)
class Scene:
    """A run whose round waits for its reader, with everything around it."""

    ward: Ward
    run: Run
    label_studio: LabelStudioServer
    access: Access
    """How one gets into it, also after a restart."""
    receiver: Receiver
    settings: Settings
    tasks: dict[str, Json] = field(default_factory=dict)
    """Label Studio's tasks by slice, as they were pushed."""
    submitted: list[Submitted] = field(default_factory=list)
    restarts: int = 0

    @property
    def desk(self) -> Desk:
        return Desk(run=self.run.id, reader=READER, classes=("infection",))

    def kill_label_studio(self) -> None:
        """SIGKILL, the whole of it."""
        state = json.loads((self.label_studio.home / "label-studio" / "server.json").read_text())
        server = psutil.Process(state["pid"])
        children = server.children(recursive=True)
        server.kill()
        for each in children:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs([server])

    def start_label_studio(self) -> None:
        """Starts it again where it does not run."""
        self.restarts += not self.label_studio.start().already

    def kill_bridge(self) -> None:
        os.kill(self.bridge_pid, signal.SIGKILL)

    def start_bridge(self) -> None:
        process.ensure(self.settings)

    @property
    def bridge_pid(self) -> int:
        return int(json.loads((self.settings.home / "bridge" / "process.json").read_text())["pid"])

    def submit(self, slice_: str, mask: Grey | None) -> None:
        """Answer as a person does: who sees that Label Studio is gone tries again when it is back, unless it has the answer."""
        task = self.tasks[slice_]
        body = {"result": [], "was_cancelled": True} if mask is None else {"result": region(mask)}
        while True:
            began = time.perf_counter()
            try:
                self._post(task["id"], body | {"lead_time": 5.0})
                break
            except httpx.TransportError:
                self.start_label_studio()
                if self._has_answer(task["id"]):
                    break
        self.submitted.append(Submitted(slice=slice_, mask=mask, seconds=time.perf_counter() - began))

    def post(self, slice_: str, content: bytes) -> httpx.Response:
        """An annotation of any bytes."""
        return self._http("POST", f"/api/tasks/{self.tasks[slice_]['id']}/annotations/", content=content)

    def edit(self, slice_: str, mask: Grey) -> None:
        """Change what was submitted."""
        (made,) = self._http("GET", f"/api/tasks/{self.tasks[slice_]['id']}/annotations/").json()
        self._http(
            "PATCH", f"/api/annotations/{made['id']}/", json={"result": region(mask)}
        ).raise_for_status()
        self.submitted.append(Submitted(slice=slice_, mask=mask, seconds=0.0))

    def call_back(self, *, active: bool) -> None:
        """Have Label Studio send webhooks, or not."""
        for hook in self._http("GET", "/api/webhooks/").json():
            # Label Studio takes what is left out of a change for none.
            body = {"is_active": active, "actions": hook["actions"]}
            self._http("PATCH", f"/api/webhooks/{hook['id']}/", json=body).raise_for_status()

    def shown(self, slice_: str) -> Grey:
        """The mask that the reader sees."""
        mask = np.zeros((SIZE, SIZE), np.uint8)
        for prediction in self.tasks[slice_]["predictions"]:
            for shown in prediction["result"]:
                mask |= brush.decode(shown["value"]["rle"], SIZE, SIZE)
        return mask

    def answers(self) -> list[Answer]:
        """Every answer that was taken in, in that order."""
        rows = self.ward.platform.database.transaction(lambda c: c.execute(text(_ANSWERS)).all())
        return [Answer(slice=row.slice, kind=row.kind, mask=row.mask, source=row.source) for row in rows]

    def mask_of(self, answer: Answer) -> Grey | None:
        stored = answer.mask and self.ward.platform.objects.get(answer.mask)
        return binary(decode_grey8(stored)) if stored else None

    def wait_for(self, met: Callable[[], bool]) -> None:
        """Until that is so; the last hint may have been lost, and the bridge looks by itself."""
        deadline = time.monotonic() + _PATIENCE_S
        while not met():
            if time.monotonic() > deadline:
                raise AssertionError("it did not come about")
            time.sleep(0.5)

    def _post(self, task: int, body: Json) -> None:
        self._http("POST", f"/api/tasks/{task}/annotations/", json=body).raise_for_status()

    def _has_answer(self, task: int) -> bool:
        held = self._http("GET", f"/api/tasks/{task}/").json()
        return bool(held["total_annotations"] or held["cancelled_annotations"])

    def _client(self) -> Client:
        return Client(self.access.url, self.access.token)

    def _http(self, method: str, path: str, **options: Any) -> httpx.Response:
        login = {
            "Authorization": f"Token {self.access.token.get_secret_value()}",
            "Content-Type": "application/json",
        }
        return httpx.request(
            method, self.access.url + path, headers=login, timeout=300, trust_env=False, **options
        )


def region(mask: Grey) -> list[Json]:
    """A mask as the result of an annotation."""
    if not mask.any():
        return []
    height, width = mask.shape
    return [
        {
            "id": "drawn",
            "type": "brushlabels",
            "from_name": "mask",
            "to_name": "ct",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": brush.encode(mask), "brushlabels": ["infection"]},
        }
    ]


def drawn(number: int) -> Grey:
    """A mask that no other number has."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    inside = (rows - 20 - number % 50) ** 2 + (columns - 20 - number // 50 % 50) ** 2 < (5 + number % 9) ** 2
    return np.where(inside, 255, 0).astype(np.uint8)


@contextmanager
def scene(server: PostgresServer, slices: int) -> Iterator[Scene]:
    """Everything started, with so many slices to read."""
    receiver_port, bridge_port = free_ports(2)
    receiver, label_studio = Receiver(receiver_port, bridge_port), LabelStudioServer()
    try:
        with ward(server, pool=slices) as made, pytest.MonkeyPatch.context() as environment:
            run = _opened(made, slices)
            settings = made.platform.settings
            assert settings.database_url is not None
            for name, value in {
                "HOME": str(settings.home),
                "DATABASE_URL": settings.database_url.get_secret_value(),
                "LABEL_STUDIO_URL": label_studio.access.url,
                "LABEL_STUDIO_TOKEN": label_studio.access.token.get_secret_value(),
                "BRIDGE_URL": f"http://127.0.0.1:{receiver_port}",
                "BRIDGE_LISTEN": f"127.0.0.1:{bridge_port}",
            }.items():
                environment.setenv(f"MASKLOOM_{name}", value)
            staged = Scene(
                ward=made,
                run=run,
                label_studio=label_studio,
                access=label_studio.access,
                receiver=receiver,
                settings=Settings(),
            )
            receiver.start()
            staged.start_bridge()
            staged.wait_for(lambda: len(_tasks(staged)) == slices)
            staged.tasks = _tasks(staged)
            yield staged
            process.stop(settings.home)
    finally:
        receiver.stop()
        label_studio.remove()


def _opened(made: Ward, slices: int) -> Run:
    """A run whose only round waits for its reader."""
    recipe = replace(
        quick_recipe(),
        sampler=SamplerParameters(group_size=slices),
        review=ReviewParameters(mode="required", readers=(READER,)),
    )
    run, _ = drive.create(made.platform, recipe, DATASET, seed=1)
    assert made.drive(run) is None
    (review,) = made.platform.database.transaction(lambda c: reviews.of_run(c, run.id))
    assert len(review.review.assignments) == slices
    return run


def _tasks(staged: Scene) -> dict[str, Json]:
    client = staged._client()
    project = client.find_project(f"maskloom {staged.run.id} · {READER}")
    listed = client.tasks(int(project["id"])).tasks if project else []
    client.close()
    return {task["data"]["slice"]: task for task in listed}
