"""Every endpoint, asked as everybody: the answers are those that docs/security.md promises."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maskloom.services.api.app import create_app
from support.asking import Answer, ask
from support.following import following
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, PASSWORD, STRANGER, Service, post, served

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
ROW = re.compile(r"\| `([A-Z]+) (/\S+)` \| (.+) \|")
QUERIES = {"/api/v1/comparisons": "?a={run}&b={run}"}
PEOPLE = ("nobody", STRANGER, "vera", "rhea", "lea", ADMIN)


def promised() -> list[tuple[str, str, str, str]]:
    """(method, path, account, answer) of every cell of the document's table."""
    rows = ROW.findall(DOCUMENT.read_text())
    assert rows
    return [
        (method, path, person, answer.strip())
        for method, path, cells in rows
        for person, answer in zip(PEOPLE, cells.split("|"), strict=True)
    ]


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def test_the_table_has_every_endpoint(service: Service) -> None:
    described = {
        (method.upper(), path)
        for path, methods in create_app(service.platform).openapi()["paths"].items()
        for method in methods
    }
    in_table = {(method, path) for method, path, _, _ in promised()}
    assert in_table == described | {("GET", "/api/v1/openapi.json")}


def contents(service: Service) -> dict[tuple[str, str], Callable[[], Any]]:
    """What makes each request one that is granted, but for who asks."""
    going = {"priority": "low", "workers": 1}
    return {
        ("POST", "/session"): lambda: {"account": "vera", "password": PASSWORD},
        ("POST", "/invitation"): lambda: {"secret": invitation(service), "password": PASSWORD},
        ("POST", "/tokens"): lambda: {"label": "test", "role": "viewer"},
        ("POST", "/accounts"): lambda: {"name": f"new-{uuid.uuid4().hex[:8]}"},
        ("PUT", "/accounts/{account}"): lambda: {"admin": False, "active": True},
        ("PUT", "/accounts/{account}/roles/{dataset}"): lambda: {"role": "viewer"},
        ("POST", "/runs"): lambda: {"dataset": OPEN, "settings": ["network.weights=random"], **going},
        ("POST", "/runs/{run}/resume"): lambda: going,
    }


def invitation(service: Service) -> str:
    answer = service.as_(ADMIN).ask("POST", "/accounts/ivo/invitation")
    if answer.status == 404:
        answer = service.as_(ADMIN).ask("POST", "/accounts", {"name": "ivo"})
    return str(answer.json["secret"])


def own_token(service: Service, person: str) -> str:
    if person == "nobody":
        return "0" * 16
    made = service.as_(person).ask("POST", "/tokens", {"label": "to be revoked", "role": "viewer"})
    return str(made.json["token"]["id"])


def asked(service: Service, method: str, path: str, person: str) -> Answer:
    values = {
        "dataset": OPEN,
        "digest": service.digests[0],
        "run": service.run.id,
        "label": service.label,
        "account": "ivo",
        "token": own_token(service, person) if "{token}" in path else "",
    }
    whole = path.format(**values) + QUERIES.get(path, "").format(**values)
    if not path.startswith("/api/v1"):
        return ask(service.url + whole, method)
    made = contents(service).get((method, path.removeprefix("/api/v1")))
    content = made() if made else None
    short = whole.removeprefix("/api/v1")
    if person == "nobody":
        return (
            post(service.url, short, **content)
            if content and method == "POST"
            else ask(service.url + whole, method)
        )
    if whole.endswith("/events"):
        with following(service.url + whole, service.as_(person).cookie) as stream:
            return Answer(
                status=stream.status,
                headers=stream.headers,
                body=b"" if stream.status == 200 else stream.rest(),
            )
    browser = service.sign_in(person) if (method, short) == ("DELETE", "/session") else service.as_(person)
    return browser.ask(method, short, content)


@pytest.mark.parametrize(("method", "path", "person", "answer"), promised())
def test_an_answer_is_the_one_that_is_promised(
    service: Service, method: str, path: str, person: str, answer: str
) -> None:
    invitation(service)  # so that the account is there
    got = asked(service, method, path, person)
    if answer == "ok":
        assert 200 <= got.status < 300, got.text
    else:
        assert got.status == int(answer), got.text
        assert got.headers["content-type"] == "application/problem+json"
        assert got.json["status"] == got.status
        assert got.json["detail"]
