"""A run with Label Studio on one machine as a user has it: `review up`, `run --review`, readers, and the bridge in between."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from maskloom.services.bridge.label_studio import server
from maskloom.services.bridge.tool import Desk
from support.chest import ingest_chest
from support.commands import Shell, wait_until
from support.label_studio import LabelStudioReader, install_in
from support.servers import remove_home, short_folder

pytestmark = pytest.mark.timeout(900)

RUN = ("run", "semi-inf-net-quick", "--dataset", "chest", "--set", "sampler.group_size=6")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A home with 6 slices with expert masks and 12 without, and with a Label Studio that was installed before."""
    home = short_folder()
    shell = Shell(home=home, tiny=True)
    install_in(home)
    ingest_chest(shell, tmp_path)
    yield shell
    shell("review", "down")
    remove_home(home)


def reader_of(shell: Shell, run: str) -> LabelStudioReader:
    access = server.running(shell.home)
    assert access is not None
    return LabelStudioReader(access, Desk(run=run, reader="reader", classes=("infection",)))


def the_run(shell: Shell) -> dict[str, Any]:
    (run,) = shell("runs", "--json").json
    return dict(run)


def bridge_pid(shell: Shell) -> int:
    return int(json.loads((shell.home / "bridge" / "process.json").read_text())["pid"])


def test_from_up_to_down(shell: Shell) -> None:
    up = shell("review", "up", "--json").json
    assert up["already"] is False
    driving = shell.start(*RUN, "--review", "required")
    wait_until(lambda: any(run["status"] == "waiting" for run in shell("runs", "--json").json))
    run = the_run(shell)["run"]
    reader = reader_of(shell, run)
    wait_until(lambda: _count(reader) == 6)

    tasks = reader.tasks()
    first, *others = tasks
    picture = httpx.get(tasks[first]["data"]["ct"], headers={"Origin": up["url"]}, trust_env=False)
    assert picture.headers["access-control-allow-origin"] == up["url"]
    assert cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_GRAYSCALE).shape == (64, 64)
    forged = tasks[first]["data"]["ct"].replace("signature=", "signature=0")
    assert httpx.get(forged, trust_env=False).status_code == 403

    os.kill(bridge_pid(shell), signal.SIGKILL)
    for slice_ in others:
        reader.accept(slice_)
    os.kill(driving.pid, signal.SIGKILL)
    shell.end(driving)
    assert shell("review", "up", "--json").json["already"] is True, (
        "Label Studio went on, and the bridge is back"
    )
    reader.correct(first, np.full((64, 64), 255, np.uint8))
    wait_until(lambda: shell("review", "status", run, "--json").json["rounds"][0]["closed"] is not None)
    (round_,) = shell("review", "status", run, "--json").json["rounds"]
    assert (round_["accepted"], round_["corrected"], round_["closed"]) == (5, 1, "everything is read")

    driving = shell.start("resume", run)
    wait_until(lambda: _count(reader) == 12)
    for slice_ in set(reader.tasks()) - set(tasks):
        reader.skip(slice_)
    said = shell.end(driving)
    assert said.code == 0, said.err
    assert the_run(shell)["status"] == "finished"
    reader.close()

    secrets = [(shell.home / "label-studio" / name).read_text() for name in ("token", "password")]
    told = said.out + said.err + (shell.home / "bridge" / "bridge.log").read_text() + json.dumps(tasks)
    assert not any(secret in told for secret in secrets)
    assert "stopped" in shell("review", "down").out
    assert "was not running" in shell("review", "down").out
    assert not Path(f"/proc/{bridge_pid(shell)}").exists()


def _count(reader: LabelStudioReader) -> int:
    try:
        return len(reader.tasks())
    except (ValueError, httpx.HTTPError):
        return 0  # the project is not there yet
