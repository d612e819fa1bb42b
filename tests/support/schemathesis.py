"""schemathesis over the API's own description, as its command does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.service import ADMIN, CLOSED, OPEN, Service

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
LEFT_OUT = {
    "runs_follow": "a stream does not end, so there is no whole answer to check; test_api_events.py reads it instead"
}
_ALWAYS = ("--checks", ",".join(CHECKS), "--warnings", "off", "--continue-on-failure", "--no-shrink")
PROGRAM = Path(sys.executable).with_name("schemathesis")


def described(service: Service) -> dict[str, Any]:
    """The description, in which parts of paths are now and then those of something that is there."""
    document: dict[str, Any] = service.as_(ADMIN).ask("GET", "/openapi.json").json
    there = {
        "dataset": [OPEN, CLOSED],
        "digest": service.digests[:2],
        "label": [service.label],
        "run": [service.run.id],
        "account": ["vera"],
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in there:
                    known = {"type": "string", "enum": there[parameter["name"]]}
                    parameter["schema"] = {"anyOf": [known, parameter["schema"]]}
    return document


def run(service: Service, folder: Path, token: str | None, *options: str) -> str:
    """What the command says where it finds fault; empty where it finds none. `token`: None for nobody in particular."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(described(service)))
    credentials = ("--header", f"Authorization:Bearer {token}") if token else ()
    left_out = [part for name in LEFT_OUT for part in ("--exclude-operation-id", name)]
    process = subprocess.run(
        [PROGRAM, "run", file, "--url", service.url, *_ALWAYS, *left_out, *credentials, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if process.returncode == 0 else process.stdout + process.stderr


def admins_token(service: Service) -> str:
    """A token that may everything."""
    made = service.as_(ADMIN).ask("POST", "/tokens", {"label": "schemathesis", "role": "admin"})
    return str(made.json["text"])
