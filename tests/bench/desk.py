"""What a push and a pull of a whole pool cost, against what Label Studio itself takes for the same payload.

The masks are those of COVID-SemiSeg's experts at 512 x 512, each many times over; Label Studio is a real one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx

from bench.brush import SIZE, real_masks
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.local import LocalStore
from maskloom.services.bridge.label_studio import config, tasks
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.hand import LabelStudioHand
from maskloom.services.bridge.label_studio.tool import LabelStudio
from maskloom.services.bridge.tool import Desk, Task
from support.desks import new_desk
from support.label_studio import IMAGES, LabelStudioServer

TASKS, CHANGED = 1600, 20
_TURNS, _PULLS = 3, 5
_SETTLES_S = 11.0
"""A cursor does not go beyond what changed in the last ten seconds."""


def measure() -> dict[str, float]:
    """Seconds, each the median of some turns, and the median of the turns' ratios of push to import."""
    server = LabelStudioServer()
    try:
        with (
            TemporaryDirectory(prefix="maskloom-bench-") as folder,
            closing(Client(server.access.url, server.access.token)) as client,
        ):
            objects = LocalStore(Path(folder).as_uri())
            tool = LabelStudio(client, objects, IMAGES, locks=Path(folder) / "locks")
            pushed = _tasks(objects)
            payload = _payload(pushed, objects)
            turns = [_turn(server, client, tool, pushed, payload) for _ in range(_TURNS)]
    finally:
        server.remove()
    figures = {part: median(turn[part] for turn in turns) for part in turns[0]}
    ratio = median(turn["push_s"] / turn["import_s"] for turn in turns)
    return figures | {"push_over_import": ratio, "megabytes": len(payload) / 1e6}


def _turn(
    server: LabelStudioServer, client: Client, tool: LabelStudio, pushed: list[Task], payload: bytes
) -> dict[str, float]:
    desk = new_desk()
    import_s = _seconds(lambda: _import(server, client, desk, payload))
    push_s = _seconds(lambda: tool.push(desk, pushed))
    push_again_s = _seconds(lambda: tool.push(desk, pushed))
    time.sleep(_SETTLES_S)
    cursor = tool.changes(desk, None).cursor
    hand = LabelStudioHand(client, desk)
    for task in pushed[:CHANGED]:
        hand.submit(task.slice, hand.shown(task.slice), 5.0)
    pull_s = median(_seconds(lambda: _pull(tool, desk, cursor)) for _ in range(_PULLS))
    return {"import_s": import_s, "push_s": push_s, "push_again_s": push_again_s, "pull_s": pull_s}


def _import(server: LabelStudioServer, client: Client, desk: Desk, payload: bytes) -> None:
    """What somebody does who has the whole payload ready: one request into a new project."""
    label_config = config.labelling(desk.classes, 1)
    project = client.create_project(title=f"import {desk.run}", label_config=label_config)["id"]
    done = httpx.post(
        f"{server.access.url}/api/projects/{project}/import",
        headers={
            "Authorization": f"Token {server.access.token.get_secret_value()}",
            "Content-Type": "application/json",
        },
        content=payload,
        timeout=300,
        trust_env=False,
    )
    assert done.json()["prediction_count"] == TASKS, done.text


def _pull(tool: LabelStudio, desk: Desk, cursor: str) -> None:
    assert len(tool.changes(desk, cursor).readings) == CHANGED


def _tasks(objects: LocalStore) -> list[Task]:
    masks = [objects.put(encode_png(mask)) for mask in real_masks()]
    slices = [sha256(str(number).encode()) for number in range(TASKS)]
    return [
        Task(
            slice=slice_,
            image=slice_,
            masks=(masks[place % len(masks)],),
            width=SIZE,
            height=SIZE,
            uncertainty=0.5,
            place=place,
            version="run/1",
        )
        for place, slice_ in enumerate(slices)
    ]


def _payload(pushed: list[Task], objects: LocalStore) -> bytes:
    """The JSON of the same tasks and predictions that a push sends."""
    return json.dumps(
        [
            {
                "data": tasks.data_of(task, f"http://127.0.0.1:9/ada/{task.slice}?signed"),
                "predictions": [
                    tasks.prediction_of(
                        task, tasks.masks_of(task, [*objects.get_many(task.masks)]), "infection", task.version
                    )
                ],
            }
            for task in pushed
        ]
    ).encode()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
