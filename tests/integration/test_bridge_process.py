"""The bridge as a process: one for a home, with the settings of the day, where others can reach it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskloom.platform.bootstrap import open_platform
from maskloom.platform.errors import SettingsError
from maskloom.platform.settings import Settings
from maskloom.services.bridge import process, processes
from maskloom.services.bridge.opening import open_tool, reached_at
from support.asking import ask


@pytest.fixture
def settings(maskloom_home: Path, catalog_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("MASKLOOM_HOME", str(maskloom_home))
    monkeypatch.setenv("MASKLOOM_DATABASE_URL", catalog_url)
    yield Settings()
    process.stop(maskloom_home)


def pid_of(settings: Settings) -> tuple[int, float]:
    """Its id, and when it began."""
    state = json.loads((settings.home / "bridge" / "process.json").read_text())
    return state["pid"], state["created"]


def test_there_is_one_until_its_settings_change(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    url = process.ensure(settings)
    first = pid_of(settings)
    assert process.ensure(settings) == url
    assert pid_of(settings) == first
    place = f"127.0.0.2:{processes.free_port()}"
    monkeypatch.setenv("MASKLOOM_BRIDGE_LISTEN", place)
    assert process.ensure(Settings()) == f"http://{place}"
    assert ask(f"http://{place}/healthz").status == 200
    assert pid_of(settings) != first
    assert not processes.answers(f"{url}/healthz")
    assert process.stop(settings.home)
    assert not process.stop(settings.home)


def test_one_that_was_just_killed_is_started_again(settings: Settings) -> None:
    url = process.ensure(settings)
    first, _ = pid_of(settings)
    os.kill(first, signal.SIGKILL)  # and whoever asks now may still see it
    assert process.ensure(settings) == url
    assert pid_of(settings)[0] != first


ELSEWHERE = "http://label-studio.example:8080"


def test_a_label_studio_elsewhere_has_to_be_told_where_the_bridge_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKLOOM_LABEL_STUDIO_URL", ELSEWHERE)
    monkeypatch.setenv("MASKLOOM_LABEL_STUDIO_TOKEN", "t" * 40)
    with (
        open_platform(Settings()) as platform,
        pytest.raises(SettingsError, match="not on this machine") as refused,
    ):
        open_tool(platform)
    assert "MASKLOOM_BRIDGE_URL" in (refused.value.hint or "")
    assert not (settings.home / "bridge" / "process.json").exists()


def test_a_bridge_is_reached_where_the_settings_say(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reached_at(settings, ELSEWHERE) is None
    monkeypatch.setenv("MASKLOOM_BRIDGE_URL", "https://maskloom.example/bridge/")
    assert reached_at(Settings(), ELSEWHERE) == "https://maskloom.example/bridge"
    assert not (settings.home / "bridge").exists(), "it runs elsewhere"
    monkeypatch.setenv("MASKLOOM_BRIDGE_LISTEN", f"127.0.0.2:{processes.free_port()}")
    assert reached_at(Settings(), ELSEWHERE) == "https://maskloom.example/bridge"
    assert processes.is_alive(*pid_of(settings))
