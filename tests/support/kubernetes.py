"""As much of a Kubernetes API as helm needs to install and upgrade. It refuses to change what Kubernetes refuses to change.

No controllers: no pod ever comes of it. Jobs are done at once.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
_KINDS = {
    "v1": ["Secret", "Service", "ServiceAccount", "ConfigMap"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "batch/v1": ["Job"],
    "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
    "policy/v1": ["PodDisruptionBudget"],
    "ray.io/v1": ["RayCluster"],
}
_IMMUTABLE = ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy")
_JOBS = "/openapi/v3/apis/batch/v1"
_CHECKED_HERE: dict[str, Object] = {
    "/openapi/v3": {"paths": {"apis/batch/v1": {"serverRelativeURL": _JOBS}}},
    _JOBS: {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.35.0"},
        "paths": {
            "/apis/batch/v1/namespaces/{namespace}/jobs/{name}": {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "x-kubernetes-group-version-kind": {"group": "batch", "version": "v1", "kind": "Job"},
                    "responses": {},
                }
            }
        },
    },
}
"""helm looks whether hooks are checked by the server; otherwise it wants to do so itself."""
_PLACE = re.compile(r"(?P<kind>/apis?/.+/namespaces/[^/]+/[a-z]+)(?:/(?P<name>[^/]+))?")
_DONE = {
    "conditions": [{"type": "Complete", "status": "True"}],
    "succeeded": 1,
    "startTime": "2026-01-01T00:00:00Z",
}


class Kubernetes:
    """What it holds, by place, and what was written, in order: (verb, kind, name)."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.written: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()

    def discovery(self, path: str) -> Object | None:
        """What there is to know of versions and kinds; None where it is none of that."""
        groups = [version.partition("/") for version in _KINDS if "/" in version]
        named = [
            {"name": name, "versions": [version], "preferredVersion": version}
            for name, version in (
                (name, {"groupVersion": f"{name}/{v}", "version": v}) for name, _, v in groups
            )
        ]
        known: dict[str, Object] = {
            **_CHECKED_HERE,
            "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": named},
        }
        for version, kinds in _KINDS.items():
            resources = [
                {
                    "name": _plural(kind),
                    "singularName": kind.lower(),
                    "namespaced": True,
                    "kind": kind,
                    "verbs": ["get"],
                }
                for kind in kinds
            ]
            known[f"/api{'s' if '/' in version else ''}/{version}"] = {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": version,
                "resources": resources,
            }
        return known.get(path)

    def answer(
        self, verb: str, path: str, query: dict[str, list[str]], body: Object | None
    ) -> tuple[int, Object]:
        """The status and content of an answer."""
        if (found := self.discovery(path)) is not None:
            return 200, found
        match = _PLACE.fullmatch(path)
        if match is None:
            return 404, _status(404, "NotFound", path)
        with self._lock:
            if verb == "GET" and match["name"] is None:
                return 200, self._listed(match["kind"], query)
            place = path if match["name"] or body is None else f"{path}/{body['metadata']['name']}"
            if verb in {"GET", "DELETE"}:
                found = self.objects.pop(place, None) if verb == "DELETE" else self.objects.get(place)
                return (200, found) if found else (404, _status(404, "NotFound", place))
            assert body is not None
            return self._write(verb, place, body)

    def _listed(self, kind: str, query: dict[str, list[str]]) -> Object:
        wanted = dict(one.split("=") for one in query.get("labelSelector", [""])[0].split(",") if "=" in one)
        items = [
            one
            for place, one in self.objects.items()
            if place.startswith(kind + "/") and wanted.items() <= one["metadata"].get("labels", {}).items()
        ]
        return {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}

    def _write(self, verb: str, place: str, body: Object) -> tuple[int, Object]:
        before = self.objects.get(place)
        if verb == "POST" and before is not None:
            return 409, _status(409, "AlreadyExists", place)
        if before is not None and body["kind"] in {"Deployment", "StatefulSet"}:
            changed = [field for field in _IMMUTABLE if before["spec"].get(field) != body["spec"].get(field)]
            if changed:
                return 422, _status(422, "Invalid", f"{place}: {changed} cannot be changed")
        meta = {"uid": place, "resourceVersion": str(len(self.written) + 1), "generation": 1}
        body["metadata"] = body["metadata"] | meta | {"creationTimestamp": "2026-01-01T00:00:00Z"}
        if body["kind"] == "Job":
            body["status"] = _DONE
        self.objects[place] = body
        self.written.append((verb, body["kind"], body["metadata"]["name"]))
        return 201 if verb == "POST" else 200, body

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Path]:
        """The configuration with which helm finds it."""
        cluster = self

        class Answering(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length)
                if "protobuf" in self.headers.get("Content-Type", ""):
                    self.send_error(415)
                    return
                body = yaml.load(sent, yaml.CSafeLoader) if length else None
                if self.command == "DELETE":
                    body = None
                status, content = cluster.answer(self.command, parts.path, parse_qs(parts.query), body)
                if "watch" in parse_qs(parts.query):
                    status, content = 200, {}  # nothing more happens
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content).encode() if content else b"")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that Python calls

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            (folder / "kubeconfig").write_text(json.dumps(_configuration(server.server_port)))
            yield folder / "kubeconfig"
            server.shutdown()


def _configuration(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "current-context": "here",
    }


def _plural(kind: str) -> str:
    name = kind.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}es" if name.endswith("s") else f"{name}s"


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
