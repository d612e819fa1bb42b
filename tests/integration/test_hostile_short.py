"""The short form of `make test-service-faults`: some of the hostile requests, to a real `maskloom serve`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from faults.hostile_campaign import GROUPS, campaign
from faults.hostile_scene import Target, attacked
from faults.hostile_transfers import zip_that_leads_nowhere
from maskloom.services import http_server
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, served
from support.transfers import done, send

EVERY = 97


@pytest.fixture(scope="module")
def target(postgres_server: PostgresServer) -> Iterator[Target]:
    with attacked(postgres_server) as made:
        yield made


def test_some_of_each_kind_get_nothing_and_break_nothing(target: Target) -> None:
    result = campaign(target, EVERY, slow=False)
    assert result.problems == []
    assert set(GROUPS) < set(result.answers)


def test_what_once_was_answered_500(target: Target) -> None:
    half = "\ud800"
    admin = target.service.as_(ADMIN)
    for method, path, content in (
        ("POST", "/session", {"account": "x", "password": half}),
        ("PUT", "/me/password", {"old": half, "new": half}),
        ("POST", f"/datasets/{OPEN}/models", {"run": half, "name": "x"}),
    ):
        assert admin.ask(method, path, content).status == 400
    assert admin.ask("POST", "/tokens", {"label": "\U0001fac1", "role": "viewer"}).status == 201
    sent = send(target.service, [("images", "x.zip", zip_that_leads_nowhere())])
    assert "damaged" in done(target.service, sent.json["id"])["outcome"]["reasons"][0]["reason"]


def test_who_never_says_what_they_ask_for_is_hung_up_on(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "_HEADERS_S", 0.2)
    with served(postgres_server) as service:
        port = urlsplit(service.url).port
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
        for before, start in ((b"", b""), (b"", request), (request + b"\r\n", request)):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                said = b""
                if before:
                    connection.sendall(before)
                    while not said.endswith(b'{"status":"ok"}'):
                        said += connection.recv(1 << 16)
                connection.sendall(start)
                assert connection.recv(1 << 16) == b""
