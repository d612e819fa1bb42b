"""A Label Studio that died while it saved an answer: it has the answer, and does not know when that came."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from maskloom.platform.catalog import reviews
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from maskloom.services.bridge.attendant import Attendant
from maskloom.services.bridge.label_studio.tool import open_label_studio
from maskloom.services.bridge.tool import Desk
from support.commands import wait_until
from support.label_studio import LabelStudioReader, LabelStudioServer
from support.reviewing import Ward, ward
from support.servers import PostgresServer

pytestmark = pytest.mark.timeout(900)


def test_it_is_found_when_everything_is_looked_at(
    postgres_server: PostgresServer, label_studio: LabelStudioServer
) -> None:
    with ward(postgres_server) as made:
        tool = open_label_studio(
            Settings(home=label_studio.home), made.platform.objects, image_url=lambda _, digest: digest
        )
        assert tool is not None
        scene = replace(made, tool=tool)
        run = scene.run(mode="required")
        assert scene.drive(run) is None
        scene.push(run)
        scene.pull(run)
        reader = LabelStudioReader(
            label_studio.access, Desk(run=run.id, reader="reader", classes=("infection",))
        )
        first, second, *_ = reader.slices()
        for slice_ in (first, second):
            reader.accept(slice_)
            forget_when(label_studio, reader.tasks()[slice_]["id"])
        scene.pull(run)
        assert left(scene, run) == 4
        with Attendant(scene.platform, lambda: [run.id], tool):
            wait_until(lambda: left(scene, run) == 2)
        tool.close()
        reader.close()


def left(scene: Ward, run: Run) -> int:
    """How many slices are unread."""
    return scene.platform.database.transaction(lambda c: reviews.unread(c, run.id))["reader"]


def forget_when(label_studio: LabelStudioServer, task: int) -> None:
    """As if the answer had been saved, and Label Studio had died before it noted that the task has changed."""
    database = label_studio.home / "label-studio" / "data" / "label_studio.sqlite3"
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        changed = connection.execute("update task set updated_at = '2020-01-01' where id = ?", (task,))
        assert changed.rowcount == 1
