"""The Label Studio below a home: one at a time, on the same port and data, whatever happens to it."""

from __future__ import annotations

import json
import shutil
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from maskloom.platform.errors import ToolUnavailable
from maskloom.platform.objects.local import LocalStore
from maskloom.platform.settings import Settings
from maskloom.services.bridge.label_studio import install, server
from maskloom.services.bridge.label_studio.tool import open_label_studio
from support.desks import new_desk
from support.label_studio import LabelStudioServer
from support.servers import short_folder

# The first test on a machine installs Label Studio.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def home() -> Iterator[Path]:
    made = short_folder()
    yield made
    server.down(made)
    shutil.rmtree(made)


def pid_of(home: Path) -> int:
    return int(json.loads((home / "label-studio" / "server.json").read_text())["pid"])


def fake_environment(folder: Path, script: str) -> Path:
    """A complete environment whose server does something else."""
    (folder / "bin").mkdir(parents=True)
    (folder / "installed").write_text(install.REQUIREMENT)
    install.program(folder).write_text(f"#!/bin/sh\n{script}\n")
    install.program(folder).chmod(0o755)
    return folder


def test_several_that_start_it_find_the_same(label_studio: LabelStudioServer) -> None:
    server.down(label_studio.home)
    assert server.running(label_studio.home) is None
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: label_studio.start(), range(2))
    assert sorted([first.already, second.already]) == [False, True]
    assert first.url == second.url == label_studio.access.url
    assert label_studio.start().already


def test_a_killed_one_comes_back_with_its_port_and_data(label_studio: LabelStudioServer) -> None:
    before, desk = label_studio.access, new_desk()
    headers = {"Authorization": f"Token {before.token.get_secret_value()}"}
    with httpx.Client(base_url=before.url, headers=headers, trust_env=False) as http:
        http.post("/api/projects/", json={"title": desk.run}).raise_for_status()
        killed = psutil.Process(pid_of(label_studio.home))
        killed.kill()
        while killed.is_running() and killed.status() != psutil.STATUS_ZOMBIE:
            pass
        assert server.running(label_studio.home) is None
        assert not label_studio.start().already
        found = http.get("/api/projects/", params={"title": desk.run}).json()
    assert label_studio.access.url == before.url
    assert found["count"] == 1


def test_secrets_are_for_their_user_alone(label_studio: LabelStudioServer) -> None:
    folder = label_studio.home / "label-studio"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("server.json", "token", "password", "server.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    token = (folder / "token").read_text()
    assert len(token) == 40
    assert token not in (folder / "server.json").read_text() + repr(label_studio.access)
    arguments = " ".join(psutil.Process(pid_of(label_studio.home)).cmdline())
    assert token not in arguments
    assert (folder / "password").read_text() not in arguments


def test_the_readers_page_opens_with_name_and_password(label_studio: LabelStudioServer) -> None:
    started = label_studio.start()
    with httpx.Client(base_url=started.url, trust_env=False) as http:
        http.get("/user/login/")
        form = {
            "csrfmiddlewaretoken": http.cookies["csrftoken"],
            "email": started.username,
            "password": started.password_file.read_text(),
        }
        assert http.post("/user/login/", data=form).status_code == 302
        assert http.get("/api/projects/").status_code == 200


def test_a_copied_home_has_a_server_of_its_own(label_studio: LabelStudioServer, home: Path) -> None:
    shutil.copytree(label_studio.home / "label-studio", home / "label-studio", dirs_exist_ok=True)
    assert server.running(home) is None


def test_what_was_stopped_is_not_running(home: Path) -> None:
    assert server.down(home) is False
    assert server.running(home) is None
    assert open_label_studio(Settings(home=home), LocalStore((home / "objects").as_uri())) is None


def test_the_last_words_of_a_server_that_dies_are_told(home: Path) -> None:
    venv = fake_environment(home / "venv", "echo no such table: users; exit 3")
    with pytest.raises(ToolUnavailable, match="no such table: users") as told:
        server.up(home, venv=venv)
    assert "server.log" in told.value.hint


def test_a_port_that_somebody_took_is_told(home: Path) -> None:
    with pytest.raises(ToolUnavailable):
        server.up(home, venv=fake_environment(home / "venv", "exit 1"))
    port = json.loads((home / "label-studio" / "server.json").read_text())["port"]
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ToolUnavailable, match=f"port {port}") as told:
            server.up(home, venv=home / "venv")
    assert "server.json" in told.value.hint


def test_a_failed_installation_says_why_and_is_done_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(home))
    unfinished = home / "label-studio" / "venv"
    unfinished.mkdir(parents=True)
    (unfinished / "half").touch()
    said: list[str] = []
    with pytest.raises(ToolUnavailable, match="No matching distribution"):
        server.up(home, said.append)
    assert not (unfinished / "half").exists()
    assert not install.is_installed(unfinished)
    assert any("Installing label-studio==" in line for line in said)
