"""What readers did on a real Label Studio, where images come from, and who is let in."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from maskloom.pipelines.review.readings import Changes, Reading, State
from maskloom.platform.errors import SettingsError, ToolUnavailable
from maskloom.platform.settings import Settings
from maskloom.services.bridge.label_studio.callbacks import Callbacks
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.install import REQUIREMENT
from maskloom.services.bridge.label_studio.tool import LabelStudio, open_label_studio
from maskloom.services.bridge.tool import Desk, Pushed
from support.desks import Slices, disc
from support.label_studio import IMAGES, LabelStudioReader, LabelStudioServer
from support.servers import free_ports

# The first test on a machine installs Label Studio.
pytestmark = pytest.mark.timeout(1200)


def by_slice(changes: Changes) -> dict[str, Reading]:
    assert not changes.unreadable
    return {reading.slice: reading for reading in changes.readings}


def test_readings_come_back_as_they_were_made(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    assert tool.changes(desk, None) == Changes(readings=(), unreadable=(), cursor="")
    tasks = [slices.task(number) for number in range(4)]
    tool.push(desk, tasks)
    reader.accept(tasks[1].slice, lead_time=7.25)
    reader.skip(tasks[2].slice)
    reader.correct(tasks[0].slice, disc(5, 40, 4))
    changes = tool.changes(desk, None)
    found = by_slice(changes)
    assert {slice_: reading.state for slice_, reading in found.items()} == {
        tasks[0].slice: State.SUBMITTED,
        tasks[1].slice: State.SUBMITTED,
        tasks[2].slice: State.SKIPPED,
        tasks[3].slice: State.UNREAD,
    }
    assert [reading.slice for reading in changes.readings[1:]] == [tasks[n].slice for n in (1, 2, 0)]
    corrected, accepted = found[tasks[0].slice], found[tasks[1].slice]
    assert corrected.mask is not None
    assert np.array_equal(corrected.mask, disc(5, 40, 4))
    assert accepted.mask is not None
    assert np.array_equal(accepted.mask, disc(21, 20, 6))
    assert accepted.lead_time_s == 7.25
    assert found[tasks[2].slice].mask is None
    made = reader.tasks()[tasks[0].slice]["annotations"][0]["id"]
    assert corrected.source == f"ls/{reader.project()['id']}/{made}"


def test_edits_and_deletions_come_with_the_cursor(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    tasks = [slices.task(number) for number in range(3)]
    tool.push(desk, tasks)
    reader.correct(tasks[0].slice, disc(5, 40, 4))
    reader.skip(tasks[1].slice)
    first = tool.changes(desk, None)
    reader.edit(tasks[0].slice, disc(30, 30, 3))
    reader.withdraw(tasks[1].slice)
    second = tool.changes(desk, first.cursor)
    before, after = by_slice(first), by_slice(second)
    edited, withdrawn = after[tasks[0].slice], after[tasks[1].slice]
    assert edited.mask is not None
    assert np.array_equal(edited.mask, disc(30, 30, 3))
    assert edited.source == before[tasks[0].slice].source
    assert withdrawn.state is State.UNREAD
    for number in (0, 1):
        assert after[tasks[number].slice].changed_at > before[tasks[number].slice].changed_at
    reader.correct(tasks[1].slice, disc(9, 9, 2))
    assert by_slice(tool.changes(desk, second.cursor))[tasks[1].slice].state is State.SUBMITTED


def test_a_cursor_leaves_out_what_was_settled(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskloom.services.bridge.label_studio.tool._SETTLED", -np.timedelta64(5, "s").item())
    tasks = [slices.task(number) for number in range(3)]
    tool.push(desk, tasks)
    cursor = tool.changes(desk, None).cursor
    assert tool.changes(desk, cursor) == Changes(readings=(), unreadable=(), cursor=cursor)
    reader.accept(tasks[1].slice)
    assert list(by_slice(tool.changes(desk, cursor))) == [tasks[1].slice]


def test_answers_that_cannot_be_used_are_told_apart(
    tool: LabelStudio, desk: Desk, slices: Slices, reader: LabelStudioReader
) -> None:
    tasks = [slices.task(number) for number in range(2)]
    tool.push(desk, tasks)
    region = reader.tasks()[tasks[0].slice]["predictions"][0]["result"][0]
    reader.submit_anything(tasks[0].slice, [region | {"value": region["value"] | {"rle": [1, 2, 3]}}])
    reader.accept(tasks[1].slice)
    changes = tool.changes(desk, None)
    assert [reading.slice for reading in changes.readings] == [tasks[1].slice]
    (unreadable,) = changes.unreadable
    assert "cut off" in unreadable.reason
    assert b'"rle": [1, 2, 3]' in unreadable.content


def test_images_of_a_bucket_come_through_label_studio(
    label_studio: LabelStudioServer,
    desk: Desk,
    reader: LabelStudioReader,
    s3_url: str,
    tmp_path: Path,
) -> None:
    from maskloom.platform.objects.s3 import S3Store

    slices = Slices(S3Store(s3_url))
    settings = Settings(home=label_studio.home, objects_url=s3_url)
    tool = open_label_studio(settings, slices.objects)
    assert tool is not None
    task = slices.task(1)
    tool.push(desk, [task])
    assert tool.push(desk, [task]) == Pushed(added=0, replaced=0, unchanged=1)
    tool.close()
    held = reader.tasks()[task.slice]
    assert held["data"]["ct"].startswith("s3://maskloom-tests/")
    assert held["data"]["ct"].endswith(f"objects/{task.image[:2]}/{task.image}")
    resolved = reader.http.get(f"/api/tasks/{held['id']}/").json()["data"]["ct"]
    image = reader.http.get(resolved)
    assert image.content == slices.objects.get(task.image)
    storages = reader.http.get("/api/storages/s3/", params={"project": reader.project()["id"]}).json()
    assert len(storages) == 1
    assert "test-secret" not in str(storages)


def test_a_wrong_token_is_refused_and_never_shown(
    label_studio: LabelStudioServer,
    desk: Desk,
    slices: Slices,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "0123456789abcdef" * 2 + "01234567"
    client = Client(label_studio.access.url, SecretStr(token))
    tool = LabelStudio(client, slices.objects, IMAGES, locks=tmp_path / "locks")
    with pytest.raises(SettingsError) as refused:
        tool.push(desk, [slices.task(1)])
    with pytest.raises(SettingsError) as listing:
        client.tasks(1)
    with pytest.raises(SettingsError, match="401"):
        client.release()
    tool.close()
    assert "401" in refused.value.message
    assert "MASKLOOM_LABEL_STUDIO_TOKEN" in refused.value.hint
    assert token not in str(listing.value) + repr(refused.value) + caplog.text + repr(vars(tool)) + repr(
        vars(client)
    )
    assert refused.value.__cause__ is None


def test_a_bridge_that_label_studio_may_not_call_is_told(
    label_studio: LabelStudioServer, desk: Desk, slices: Slices, tmp_path: Path
) -> None:
    access = label_studio.access
    callbacks = Callbacks(
        bridge="http://169.254.7.7:8091",  # closed in every Label Studio, as private networks are in most
        header="X-Secret",
        secret=SecretStr("shared-secret"),
        user="maskloom",
        password=SecretStr("shared-secret"),
    )
    client = Client(access.url, access.token)
    tool = LabelStudio(client, slices.objects, IMAGES, locks=tmp_path, callbacks=callbacks)
    with pytest.raises(SettingsError, match="set up the callbacks") as refused:
        tool.push(desk, [slices.task(1)])
    assert "USE_DEFAULT_BANNED_SUBNETS" in refused.value.hint
    assert "shared-secret" not in f"{refused.value.message} {refused.value.hint}"
    tool.close()


def test_nothing_secret_is_logged_or_pushed(
    tool: LabelStudio,
    label_studio: LabelStudioServer,
    desk: Desk,
    slices: Slices,
    reader: LabelStudioReader,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    tool.push(desk, [slices.task(1)])
    tool.changes(desk, None)
    folder = label_studio.home / "label-studio"
    secrets = [(folder / name).read_text() for name in ("token", "password")]
    for text in (
        caplog.text,
        (folder / "server.log").read_text(),
        str(reader.tasks()),
        str(reader.project()),
    ):
        assert not any(secret in text for secret in secrets)


def test_a_personal_access_token_works_as_well(
    label_studio: LabelStudioServer, desk: Desk, slices: Slices, reader: LabelStudioReader, tmp_path: Path
) -> None:
    made = reader.http.post("/api/token/")
    assert made.status_code == 201, made.text
    client = Client(f"{label_studio.access.url}/", SecretStr(made.json()["token"]))
    assert f"label-studio=={client.release()}" == REQUIREMENT
    tool = LabelStudio(client, slices.objects, IMAGES, locks=tmp_path / "locks")
    assert tool.push(desk, [slices.task(1)]).added == 1
    assert len(tool.changes(desk, None).readings) == 1
    tool.close()


def test_a_server_that_is_down_or_another_is_told(
    desk: Desk, slices: Slices, tmp_path: Path, s3_server: object
) -> None:
    endpoint = getattr(s3_server, "endpoint")  # noqa: B009
    for url, error in (
        (f"http://127.0.0.1:{free_ports(1)[0]}", ToolUnavailable),
        (f"http://{endpoint}", SettingsError),
    ):
        tool = LabelStudio(Client(url, SecretStr("a" * 40)), slices.objects, IMAGES, locks=tmp_path / "locks")
        with pytest.raises(error) as told:
            tool.push(desk, [slices.task(1)])
        with pytest.raises(error):
            tool.changes(desk, None)
        tool.close()
        assert told.value.hint
