"""What a real Label Studio calls when a reader answers: the bridge's webhook, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maskloom.services.bridge.label_studio.callbacks import Callbacks
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.tool import LabelStudio
from maskloom.services.bridge.server.backend import USER
from maskloom.services.bridge.server.webhook import HEADER
from maskloom.services.bridge.tool import Desk
from support.bridge import Bridge, bridged
from support.desks import Slices
from support.label_studio import IMAGES, LabelStudioReader, LabelStudioServer
from support.servers import PostgresServer

pytestmark = [pytest.mark.xdist_group("label_studio"), pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def bridge(postgres_server: PostgresServer) -> Iterator[Bridge]:
    with bridged(postgres_server) as made:
        yield made


def test_an_answer_is_hinted_at_once_and_without_its_mask(
    label_studio: LabelStudioServer, bridge: Bridge, slices: Slices, tmp_path: Path
) -> None:
    access, desk = label_studio.access, Desk(run=bridge.run.id, reader="ada", classes=("infection",))
    callbacks = Callbacks(
        bridge=bridge.served.url,
        header=HEADER,
        secret=bridge.keys.shared,
        user=USER,
        password=bridge.keys.shared,
    )
    tool = LabelStudio(
        Client(access.url, access.token), slices.objects, IMAGES, locks=tmp_path, callbacks=callbacks
    )
    reader = LabelStudioReader(access, desk)
    task = slices.task(1)
    tool.push(desk, [task])
    project = {"project": reader.project()["id"]}
    tool.push(desk, [task])
    (hook,) = reader.http.get("/api/webhooks/", params=project).json()
    (backend,) = reader.http.get("/api/ml/", params=project).json()
    assert (hook["url"], hook["send_payload"], hook["is_active"]) == (bridge.served.webhook, False, True)
    assert backend["url"] == bridge.served.backend(bridge.run.id)
    bridge.looked.clear()
    reader.accept(task.slice)
    assert bridge.looked.wait(30)
    tool.close()
    reader.close()
