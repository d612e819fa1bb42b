"""The examples of docs/guides/api.md do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskloom.services.api.serving import serving
from support.painted import painted_run
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, Service, populate
from support.transfers import at_work, slices

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "api.md"
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
BLOCKS = [
    (language, text)
    for language, text in BLOCK.findall(GUIDE.read_text())
    if language == "python" or "curl" in text
]


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    """A service with a finished run, whose jobs are done."""
    with painted_run(postgres_server) as painted:
        populate(painted.platform)
        with serving(painted.platform) as url, at_work(painted.platform):
            yield Service(
                platform=painted.platform, url=url, run=painted.run, digests=[], label="", truth=painted.truth
            )


def test_every_example_works(service: Service, tmp_path: Path) -> None:
    (tmp_path / "new-slices").mkdir()
    for name, (image, _) in slices(2, patient=41).items():
        (tmp_path / "new-slices" / name).write_bytes(image)
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
            [*program, example],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        said.append(done.stdout)
    assert len(said) == 7
    me, client, upload, export, runs, started, events = said
    assert f'"account":"{ADMIN}"' in me
    assert OPEN in client
    assert "run queued" in client
    assert "'added': 2" in upload
    assert export.strip() == str(len(service.truth) - 4), "all but the test slices"
    assert zipfile.is_zipfile(tmp_path / "export.zip")
    assert '"next":"' in runs
    assert '"status":"queued"' in started
    assert "event: run" in events
