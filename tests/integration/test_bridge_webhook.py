"""The bridge's HTTP server: webhooks."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from maskloom.platform.facts import Split
from maskloom.services.bridge.server import bodies
from maskloom.services.bridge.server.serving import serving
from support.asking import Answer, ask
from support.bridge import TOOL_URL, Bridge, bridged
from support.servers import PostgresServer

LOOKS_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def bridge(postgres_server: PostgresServer) -> Iterator[Bridge]:
    with bridged(postgres_server) as made:
        yield made


def hook(bridge: Bridge, body: bytes = b"{}", **headers: str) -> Answer:
    return ask(bridge.served.webhook, "POST", body=body, **headers)


def test_a_webhook_asks_for_a_look_again_and_again(bridge: Bridge) -> None:
    for body in (b"{}", b"", b"\xff no JSON", b'{"action": "ANNOTATION_CREATED"}' * 1000):
        for _replayed in range(2):
            bridge.looked.clear()
            answer = hook(bridge, body, X_Maskloom_Secret=bridge.password)
            assert (answer.status, answer.body) == (204, b"")
            assert bridge.looked.is_set()


@pytest.mark.parametrize("given", [None, "", "0" * 64, "\xe4"])
def test_a_webhook_without_the_secret_is_refused_and_logged_once(
    bridge: Bridge, caplog: pytest.LogCaptureFixture, given: str | None
) -> None:
    bridge.looked.clear()
    headers = {} if given is None else {"X_Maskloom_Secret": given}
    with caplog.at_level(logging.DEBUG):
        answer = hook(bridge, b"what a patient is called", **headers)
    assert answer.status == 403
    assert not bridge.looked.is_set()
    (record,) = [record for record in caplog.records if "webhook" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "127.0.0.1" in record.getMessage()
    for hidden in ("patient", bridge.password, given or "no header"):
        assert hidden not in caplog.text


def test_a_webhook_does_not_wait_for_the_look(bridge: Bridge) -> None:
    asked, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def look_slowly() -> None:
        assert asked.wait(LOOKS_WITHIN_S)
        assert may_end.wait(LOOKS_WITHIN_S)
        ended.set()

    loop = threading.Thread(target=look_slowly)
    loop.start()
    with serving(bridge.platform, keys=bridge.keys, tool_url=TOOL_URL, look=asked.set) as served:
        for _several in range(5):
            answer = ask(served.webhook, "POST", body=b"{}", X_Maskloom_Secret=bridge.password)
            assert answer.status == 204
        assert asked.is_set()
        assert not ended.is_set()
    may_end.set()
    loop.join()


def sent(bridge: Bridge, head: str, body: bytes = b"", *, secret: str | None = None) -> socket.socket:
    """A connection on which a webhook was begun."""
    host, _, port = bridge.served.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    start = f"POST /webhook HTTP/1.1\r\nHost: {host}\r\nX-Maskloom-Secret: {secret or bridge.password}\r\n"
    connection.sendall(f"{start}{head}\r\n\r\n".encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    with connection, connection.makefile("rb") as answer:
        return int(answer.readline().split()[1])


def send_megabytes(connection: socket.socket, count: int) -> None:
    for _each in range(count):
        connection.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        time.sleep(0.01)


def test_a_body_of_a_hundred_megabytes_is_not_read(bridge: Bridge) -> None:
    assert status_of(sent(bridge, f"Content-Length: {100 << 20}")) == 413
    bridge.looked.clear()
    with sent(bridge, "Transfer-Encoding: chunked") as connection, pytest.raises(ConnectionError):
        send_megabytes(connection, 100)  # refused on the way
    assert bridge.looked.is_set()  # whatever it would have said
    assert status_of(sent(bridge, f"Content-Length: {100 << 20}", secret="wrong")) == 403


def test_a_slow_sender_keeps_nobody_waiting_and_is_sent_away(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_S", 3.0)
    slow = [sent(bridge, "Content-Length: 1000", b"{") for _ in range(60)]
    assert hook(bridge, X_Maskloom_Secret=bridge.password).status == 204
    assert ask(bridge.served.images.url(bridge.digests[Split.UNLABELLED][0], time.time())).status == 200
    assert {status_of(connection) for connection in slow} == {408}


def test_a_sender_who_hangs_up_leaves_no_trace(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    sent(bridge, "Content-Length: 1000", b"{").close()
    sent(bridge, "Content-Length: nonsense").close()
    assert hook(bridge, X_Maskloom_Secret=bridge.password).status == 204
    assert "Traceback" not in caplog.text
