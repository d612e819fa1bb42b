"""The examples of docs/guides/api.md do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import PostgresServer
from support.service import ADMIN, OPEN, Service, served

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "api.md"
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
BLOCKS = [
    (language, text)
    for language, text in BLOCK.findall(GUIDE.read_text())
    if language == "python" or "curl" in text
]


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def test_every_example_works(service: Service) -> None:
    made = service.as_(ADMIN).ask("POST", "/tokens", {"label": "guide", "role": "admin"})
    environment = os.environ | {"MASKLOOM_SERVER": service.url, "MASKLOOM_TOKEN": made.json["text"]}
    said = []
    for language, text in BLOCKS:
        example = (
            text.replace("covid", OPEN)
            .replace("python3", sys.executable)
            .replace("--silent", "--silent --fail")
        )
        program = [sys.executable, "-c"] if language == "python" else ["bash", "-e", "-o", "pipefail", "-c"]
        done = subprocess.run(
            [*program, example], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        said.append(done.stdout)
    assert len(said) == 5
    me, client, runs, started, events = said
    assert f'"account":"{ADMIN}"' in me
    assert OPEN in client
    assert "run queued" in client
    assert '"next":"' in runs
    assert '"status":"queued"' in started
    assert "event: run" in events
