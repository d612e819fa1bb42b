"""The API's own description: it is OpenAPI, it says what each operation is, and the answers are those that it declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from support import schemathesis
from support.schemathesis import LEFT_OUT
from support.servers import PostgresServer
from support.service import ADMIN, Service, served


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def operations(service: Service) -> list[dict[str, Any]]:
    document = service.as_(ADMIN).ask("GET", "/openapi.json").json
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def test_every_operation_says_what_it_is(service: Service) -> None:
    document = service.as_(ADMIN).ask("GET", "/openapi.json").json
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    names = [operation["operationId"] for operation in operations(service)]
    assert len(set(names)) == len(names)
    for operation in operations(service):
        name = operation["operationId"]
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name), name
        assert 2 < len(operation["summary"]) < 80, name
        assert set(operation["tags"]) <= tags, name
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])
            told = parameter["schema"].get("examples") or "$ref" in str(parameter["schema"])
            assert told, (name, parameter["name"])
        for status, answer in operation["responses"].items():
            assert answer.get("description") or "$ref" in answer, (name, status)


def test_what_is_left_out_is_there(service: Service) -> None:
    assert set(LEFT_OUT) <= {operation["operationId"] for operation in operations(service)}


def test_the_description_is_openapi(service: Service) -> None:
    document = service.as_(ADMIN).ask("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.1")
    OPENAPI_31_VALIDATOR.validate(document)


@pytest.mark.parametrize("who", ["admin", "nobody"])
def test_answers_are_those_that_are_declared(service: Service, who: str, tmp_path: Path) -> None:
    """A few requests of each operation; `make test-api` sends many thousand."""
    token = schemathesis.admins_token(service) if who == "admin" else None
    phases = ("--phases", "examples,fuzzing", "--seed", "1")
    fault = schemathesis.run(service, tmp_path, token, *phases, "--max-examples", "2" if token else "1")
    assert not fault, fault
