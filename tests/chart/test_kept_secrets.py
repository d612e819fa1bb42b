"""An upgrade finds the Secret that is there, and changes nothing of it. helm asks a server that knows of this one Secret."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from support.chart import CHART, NAMESPACE, RELEASE, helm

PLACE = f"/api/v1/namespaces/{NAMESPACE}/secrets/{RELEASE}"
SECRETS = {
    "name": "secrets",
    "singularName": "secret",
    "namespaced": True,
    "kind": "Secret",
    "verbs": ["get"],
}
ANSWERS: dict[str, Any] = {
    "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [SECRETS]},
}


@contextmanager
def knowing(secret: dict[str, Any] | None, folder: Path) -> Iterator[Path]:
    """The configuration with which helm finds a server that has `secret`."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = (ANSWERS | ({PLACE: secret} if secret else {})).get(self.path.partition("?")[0])
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(
                json.dumps(found or {"kind": "Status", "reason": "NotFound", "code": 404}).encode()
            )

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [place],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "current-context": "here",
        }
        (folder / "kubeconfig").write_text(json.dumps(told))
        yield folder / "kubeconfig"
        server.shutdown()


def made(secret: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    """The Secret that an upgrade writes where `secret` is there."""
    alone = folder / "chart"
    if not alone.exists():  # the rest of the chart needs a server that knows everything
        (alone / "templates").mkdir(parents=True)
        for part in ("Chart.yaml", "values.yaml", "templates/_helpers.tpl", "templates/secret.yaml"):
            shutil.copy(CHART / part, alone / part)
    with knowing(secret, folder) as kubeconfig:
        said = helm(
            *("template", RELEASE, alone, "--namespace", NAMESPACE, "--is-upgrade", "--dry-run=server"),
            *("--disable-openapi-validation", "--kubeconfig", kubeconfig),
        )
    assert said.returncode == 0, said.stderr
    written: dict[str, Any] = yaml.safe_load(said.stdout)
    return written


def test_an_upgrade_changes_no_password(tmp_path: Path) -> None:
    first = made(None, tmp_path)
    assert made(first, tmp_path)["data"] == first["data"]
    assert made(None, tmp_path)["data"] != first["data"]  # what is not found is made anew


def test_a_new_version_adds_what_it_needs_and_keeps_the_rest(tmp_path: Path) -> None:
    older = made(None, tmp_path)
    del older["data"]["label-studio-token"]
    older["data"]["auth_token"] = base64.b64encode(b"chosen by hand").decode()
    newer = made(older, tmp_path)["data"]
    assert {key: newer[key] for key in older["data"]} == older["data"]
    assert len(base64.b64decode(newer["label-studio-token"])) == 40
