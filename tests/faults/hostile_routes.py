"""Every operation of the OpenAPI document as requests that would be granted, but for what is then made wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from faults.hostile_scene import SOURCE, Target
from support.service import ADMIN, OPEN, STRANGER

Json = dict[str, Any]
_ROW = re.compile(r"\| `([A-Z]+ /\S+)` \| (.+) \|")
_PEOPLE = ("nobody", STRANGER, "vera", "rhea", "lea", ADMIN)
_REFUSED = "wrong horse battery"
_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One of the document: its route, and values that it takes. Only `query` and `content` that it needs are in them."""

    name: str
    path: dict[str, Any]
    query: dict[str, Any]
    content: Json | None
    texts: tuple[tuple[str, str], ...]
    """(where, name) of each parameter and field: where is path, query, header or content."""

    @property
    def changes(self) -> bool:
        return not self.name.startswith("GET ")

    @property
    def streams(self) -> bool:
        return self.name.endswith("/events")

    def target(self, path: Json | None = None, query: Json | None = None) -> str:
        """Its address with these values in place of its own; those of `path` that are bytes stay as they are."""
        route = self.name.partition(" ")[2]
        for name, value in (self.path | (path or {})).items():
            plain = value.decode("latin-1") if isinstance(value, bytes) else quote(value, safe="")
            route = route.replace(f"{{{name}}}", plain)
        asked = self.query | (query or {})
        return route + (f"?{urlencode(asked, errors='surrogatepass')}" if asked else "")

    def body(self, **changed: Any) -> bytes | None:
        """Its content as JSON, with these values."""
        return None if self.content is None else json.dumps(self.content | changed).encode()


def operations(target: Target) -> Iterator[Operation]:
    """All of them, but those by which sessions end that the attacks need."""
    for route, methods in target.document["paths"].items():
        for method, described in methods.items():
            yield _operation(target, f"{method.upper()} {route}", described)


def promises() -> dict[tuple[str, str], bool]:
    """Whether docs/security.md grants an operation to one of `_PEOPLE`."""
    document = Path(__file__).parents[2] / "docs" / "security.md"
    return {
        (operation, person): cell.strip() == "ok"
        for operation, cells in _ROW.findall(document.read_text())
        for person, cell in zip(_PEOPLE, cells.split("|"), strict=True)
    }


def _operation(target: Target, name: str, described: Json) -> Operation:
    schemas = target.document["components"]["schemas"]
    parameters = described.get("parameters", [])
    body = described.get("requestBody", {}).get("content", {}).get("application/json")
    fields: Json = {}
    content: Json | None = None
    if body is not None:
        schema = schemas[body["schema"]["$ref"].rpartition("/")[2]]
        fields = schema["properties"]
        content = {one: _value(target, one, fields[one], schemas) for one in schema.get("required", [])}
    return Operation(
        name=name,
        path={one["name"]: _known(target)[one["name"]] for one in parameters if one["in"] == "path"},
        query={
            one["name"]: _value(target, one["name"], one["schema"], schemas)
            for one in parameters
            if one["in"] == "query" and one.get("required")
        },
        content=content,
        texts=(*((one["in"], one["name"]) for one in parameters), *(("content", one) for one in fields)),
    )


def _known(target: Target) -> dict[str, str]:
    token = target.tokens["vera"].split("_")[1]
    names = {"dataset": OPEN, "account": "vera", "model": "net", "review": _DIGEST[:12], "source": SOURCE}
    here = {"digest": target.service.digests[0], "label": target.service.label, "run": target.service.run.id}
    return (
        names | here | {"job": target.exports[0], "token": token, "slice": here["digest"], "a": here["run"]}
    )


def _value(target: Target, name: str, schema: Json, schemas: Json) -> Any:
    """A value of that form: of what is there where it can name that, and never a password that fits."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]] | schema
    if schema.get("format") == "password":
        return _REFUSED
    if name in _known(target):
        return _known(target)[name]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("examples"):
        return schema["examples"][0]
    return {"integer": 1, "number": 1.0, "boolean": False, "array": []}.get(schema.get("type", ""), "x")
