"""Whom a real Label Studio calls after a push."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maskloom.services.bridge.label_studio.callbacks import Callbacks
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.tool import LabelStudio, title_of
from maskloom.services.bridge.server.backend import USER
from maskloom.services.bridge.server.webhook import HEADER
from maskloom.services.bridge.tool import Desk
from support.bridge import Bridge, bridged
from support.desks import Slices
from support.label_studio import IMAGES, LabelStudioReader, LabelStudioServer
from support.servers import PostgresServer

# The first test on a machine installs Label Studio.
pytestmark = pytest.mark.timeout(1200)
OTHERS = "http://127.0.0.1:9/others/webhook"


@pytest.fixture(scope="module")
def bridge(postgres_server: PostgresServer) -> Iterator[Bridge]:
    with bridged(postgres_server) as made:
        yield made


@pytest.fixture
def client(label_studio: LabelStudioServer) -> Iterator[Client]:
    made = Client(label_studio.access.url, label_studio.access.token)
    yield made
    made.close()


@pytest.fixture
def callbacks(bridge: Bridge) -> Callbacks:
    return Callbacks(
        bridge=bridge.served.url,
        header=HEADER,
        secret=bridge.keys.shared,
        user=USER,
        password=bridge.keys.shared,
    )


@pytest.fixture
def desk(bridge: Bridge) -> Desk:
    return Desk(run=bridge.run.id, reader=uuid.uuid4().hex, classes=("infection",))


def test_only_the_bridge_is_called_wherever_it_is(
    callbacks: Callbacks, desk: Desk, client: Client, slices: Slices, tmp_path: Path
) -> None:
    moved = replace(callbacks, bridge=callbacks.bridge.replace("127.0.0.1", "localhost"))
    tasks = [slices.task(1)]

    def pushed(by: Callbacks) -> int:
        LabelStudio(client, slices.objects, IMAGES, locks=tmp_path / "locks", callbacks=by).push(desk, tasks)
        return int((client.find_project(title_of(desk)) or {})["id"])

    def called() -> tuple[set[str], list[str]]:
        hooks, backends = client.sdk.webhooks.list(project=project), client.sdk.ml.list(project=project)
        return {hook.url for hook in hooks}, [backend.url for backend in backends]

    project = pushed(callbacks)
    assert called() == ({callbacks.webhook}, [callbacks.backend(desk.run)])
    client.sdk.webhooks.create(project=project, url=OTHERS, headers={})
    assert pushed(callbacks) == project
    assert called() == ({callbacks.webhook, OTHERS}, [callbacks.backend(desk.run)])
    pushed(moved)
    assert called() == ({moved.webhook, OTHERS}, [moved.backend(desk.run)])


def test_an_answer_is_hinted_at(
    label_studio: LabelStudioServer,
    bridge: Bridge,
    callbacks: Callbacks,
    desk: Desk,
    client: Client,
    slices: Slices,
    tmp_path: Path,
) -> None:
    task = slices.task(1)
    LabelStudio(client, slices.objects, IMAGES, locks=tmp_path / "locks", callbacks=callbacks).push(
        desk, [task]
    )
    reader = LabelStudioReader(label_studio.access, desk)
    bridge.looked.clear()
    reader.accept(task.slice)
    assert bridge.looked.wait(30)
    reader.close()
