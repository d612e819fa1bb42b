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
from support.handed_out import hand_out
from support.registry import finished_run, registered
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, PASSWORD, STRANGER, Service, post, served
from support.transfers import export_job, send

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
ROW = re.compile(r"\| `([A-Z]+) (/\S+)` \| (.+) \|")
QUERIES = {
    "/api/v1/runs/{run}/story": "?slice={digest}",
    "/api/v1/comparisons": "?a={run}&b={run}",
}
MODEL, OTHER_MODEL = "one", "other"
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
    with served(postgres_server, import_sources="ward=s3://bucket/prefix?endpoint=127.0.0.1:1") as made:
        for seed, name in enumerate((MODEL, OTHER_MODEL)):
            registered(made.platform, finished_run(made.platform, {}, seed=seed), name)
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
        ("PUT", "/me/password"): lambda: {"old": PASSWORD, "new": PASSWORD},
        ("POST", "/tokens"): lambda: {"label": "test", "role": "viewer"},
        ("POST", "/accounts"): lambda: {"name": f"new-{uuid.uuid4().hex[:8]}"},
        ("PUT", "/accounts/{account}"): lambda: {"admin": False, "active": True},
        ("PUT", "/accounts/{account}/roles/{dataset}"): lambda: {"role": "viewer"},
        ("POST", "/datasets/{dataset}/models"): lambda: {"name": MODEL, "run": run_of(service, MODEL)},
        ("POST", "/datasets/{dataset}/models/{model}/promote"): lambda: {"reason": "to see whether I may"},
        ("POST", "/datasets/{dataset}/models/{model}/rollback"): lambda: champions(
            service, OTHER_MODEL, MODEL
        ),
        ("POST", "/datasets/{dataset}/models/{model}/archive"): lambda: champions(service, OTHER_MODEL),
        ("POST", "/runs"): lambda: {"dataset": OPEN, "settings": ["network.weights=random"], **going},
        ("POST", "/runs/{run}/resume"): lambda: going,
        ("POST", "/runs/{run}/exports"): lambda: {"format": "png"},
        ("POST", "/datasets"): lambda: {"name": f"new {uuid.uuid4().hex[:8]}"},
        ("POST", "/datasets/{dataset}/imports"): lambda: {"source": "ward", "split": "unlabelled"},
    }


def invitation(service: Service) -> str:
    answer = service.as_(ADMIN).ask("POST", "/accounts/ivo/invitation")
    if answer.status == 404:
        answer = service.as_(ADMIN).ask("POST", "/accounts", {"name": "ivo"})
    return str(answer.json["secret"])


def run_of(service: Service, model: str) -> str:
    return str(service.as_(ADMIN).ask("GET", f"/datasets/{OPEN}/models/{model}").json["run"])


def champions(service: Service, *models: str) -> dict[str, str]:
    """Make each of these the champion, the last one last; a body that says nothing more."""
    for model in models:
        path = f"/datasets/{OPEN}/models/{model}/promote"
        assert service.as_(ADMIN).ask("POST", path, {"reason": "to begin with"}).status == 200
    return {}


def own_token(service: Service, person: str) -> str:
    if person == "nobody":
        return "0" * 16
    made = service.as_(person).ask("POST", "/tokens", {"label": "to be revoked", "role": "viewer"})
    return str(made.json["token"]["id"])


def job(service: Service, path: str) -> str:
    if path.endswith("/again"):
        return export_job(service, "failed", {"error": "for a test", "hint": ""})
    return export_job(service, "done", {"digest": service.digests[0], "size_bytes": 1})


@pytest.fixture(scope="module")
def review(service: Service) -> str:
    return hand_out(service).review


def asked(service: Service, review: str, method: str, path: str, person: str) -> Answer:
    values = {
        "review": review,
        "dataset": OPEN,
        "digest": service.digests[0],
        "run": service.run.id,
        "label": service.label,
        "account": "ivo",
        "model": MODEL,
        "token": own_token(service, person) if "{token}" in path else "",
        "job": job(service, path) if "{job}" in path else "",
    }
    whole = (path + QUERIES.get(path, "")).format(**values)
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
    if whole.endswith("/uploads"):
        return send(service, [("images", "one.png", b"no picture")], account=person)
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
    service: Service, review: str, method: str, path: str, person: str, answer: str
) -> None:
    invitation(service)  # so that the account is there
    got = asked(service, review, method, path, person)
    if answer == "ok":
        # Being led to a file is to be granted it.
        assert 200 <= got.status < 300 or got.status == 303, got.text
    else:
        assert got.status == int(answer), got.text
        assert got.headers["content-type"] == "application/problem+json"
        assert got.json["status"] == got.status
        assert got.json["detail"]
