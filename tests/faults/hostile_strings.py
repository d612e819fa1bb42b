"""Texts that are more than texts, in every parameter and field that the OpenAPI document has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from faults.hostile_attack import Attack
from faults.hostile_routes import Operation, operations, promises
from faults.hostile_scene import Target
from support.service import ADMIN, STRANGER

_LONG_ADDRESS, _LONG_BODY = 20_000, 300_000
_TEXTS = {
    "SQL that is always true": "x' OR '1'='1' --",
    "SQL of several statements": "'); DROP TABLE accounts; DELETE FROM audit; --",
    "SQL that waits": "1) OR (SELECT 1 FROM pg_sleep(20)) IS NOT NULL --",
    "path traversal": "../../../../../../etc/passwd",
    "path traversal, packed twice": "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "a template": "{{1337*7331}}${1337*7331}<%=1337*7331%>{% include '/etc/passwd' %}",
    "a script": "<script>fetch('//evil.example')</script>\"onload=alert(1)",
    "a command": "$(cat /etc/passwd);`id`|sh&&%s%n",
    "a line break": "x\r\nX-Smuggled: 1\r\n\r\n",
    "NUL": "x\0y",
    "unicode that is none": "\ud800\udfff\ud800",
    "unicode that misleads": "ada\u202e\u200b\ufeffada",
}
_VALUES: dict[str, Any] = {
    "a list for a text": [["x"] * 50],
    "an object for a text": {"$ne": None, "__proto__": {"admin": True}},
    "a number without end": 10**400,
}
_RAW = {"bytes that are no UTF-8": b"%FF%FE%ED%A0%80", "dots and slashes": b"../..//.;/%2e%2e/"}


def string_attacks(target: Target) -> Iterator[Attack]:
    """Each text, in each place of each operation, from a stranger, a viewer and an admin."""
    granted = promises()
    for operation in operations(target):
        if operation.streams:
            continue
        for person in (STRANGER, "vera", ADMIN):
            may = granted[operation.name, person]
            for kind, where, name, poison in _poisons(operation):
                if where == "header" and may and operation.changes:
                    continue  # any text may be the key of a change that somebody may make
                yield _attack(target, operation, person, kind, where, name, poison, may=may)


def _poisons(operation: Operation) -> Iterator[tuple[str, str, str, Any]]:
    for where, name in operation.texts:
        for kind, text in _TEXTS.items():
            yield kind, where, name, text
        yield "a text without end", where, name, "A" * (_LONG_BODY if where == "content" else _LONG_ADDRESS)
        for kind, value in _VALUES.items() if where == "content" else ():
            yield kind, where, name, value
        for kind, raw in _RAW.items() if where == "path" else ():
            yield kind, where, name, raw


def _attack(
    target: Target,
    operation: Operation,
    person: str,
    kind: str,
    where: str,
    name: str,
    poison: Any,
    *,
    may: bool,
) -> Attack:
    headers = {"Authorization": f"Bearer {target.tokens[person]}"}
    if operation.content is not None:
        headers["Content-Type"] = "application/json"
    if where == "header":
        # What cannot be in a header at all is for `hostile_wire`.
        headers[name] = "".join(letter for letter in poison if letter.isprintable() and letter < "\u0100")
    return Attack(
        kind=kind,
        operation=operation.name,
        target=operation.target(
            {name: _encoded(poison)} if where == "path" else None,
            {name: poison} if where == "query" else None,
        ),
        headers=headers,
        body=operation.body(**({name: poison} if where == "content" else {})),
        may=may,
        sees=person != STRANGER,
    )


def _encoded(poison: Any) -> bytes:
    """What stands in the path: texts with all that is not plain packed, and bytes as they are."""
    if isinstance(poison, bytes):
        return poison
    packed = poison.encode("utf-8", "surrogatepass")
    return "".join(chr(one) if chr(one).isalnum() and one < 128 else f"%{one:02X}" for one in packed).encode()


def misshapen_bodies(target: Target) -> Iterator[Attack]:
    """Bodies that are no JSON, or are of no use as it, from an admin."""
    bodies = {
        "JSON cut off": b'{"a": "b',
        "JSON that nests": b"[" * 100_000,
        "JSON of another kind": b'"x"',
        "JSON that is not a number": b'{"seed": NaN, "workers": Infinity}',
        "a body of bytes": bytes(range(256)),
        "a body that is too long": json.dumps({"a": "x" * (2 << 20)}).encode(),
        "XML with an entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    }
    for operation in operations(target):
        for kind, body in bodies.items() if operation.content is not None else ():
            kinds = {"Content-Type": "application/xml" if kind.startswith("XML") else "application/json"}
            yield Attack(
                kind=kind,
                operation=operation.name,
                target=operation.target(),
                headers={"Authorization": f"Bearer {target.tokens[ADMIN]}"} | kinds,
                body=body,
                sees=True,
            )
