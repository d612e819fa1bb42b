"""Stands between Label Studio and the bridge, and treats webhooks as networks and tired servers do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_S = 2.0
_PATIENCE_S = 60.0
_PASSED_ON = ("authorization", "content-type", "origin", "x-maskloom-secret")


class Mode(StrEnum):
    """What becomes of a webhook."""

    PASS = "passed on"
    SLOW = "2 s late"
    ERROR = "answered with 500, and lost"
    TWICE = "passed on twice"
    REORDER = "held back, and passed on last first"
    DOWN = "lost, nobody listens"


class Receiver:
    """Listens on `port` of 127.0.0.1, and passes on to the bridge on `bridge`."""

    def __init__(self, port: int, bridge: int) -> None:
        self.mode = Mode.PASS
        self.milliseconds: list[float] = []
        """How long the bridge took to answer each webhook that was passed on."""
        self._port = port
        self._bridge = bridge
        self._held: list[tuple[str, bytes, dict[str, str]]] = []
        self._server: ThreadingHTTPServer | None = None

    @contextmanager
    def treating(self, mode: Mode) -> Iterator[None]:
        """Webhooks fare so meanwhile. Afterwards what was held back is passed on."""
        self.mode = mode
        if mode is Mode.DOWN:
            self.stop()
        yield
        if mode is Mode.DOWN:
            self.start()
        self.mode = Mode.PASS
        while self._held:
            path, body, headers = self._held.pop()
            self.pass_on("POST", path, body, headers)

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.handle(self)

            do_POST = do_GET  # noqa: N815 - its name there

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Answers one request; all but webhooks are passed on as they are."""
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        headers = {name: value for name, value in request.headers.items() if name.lower() in _PASSED_ON}
        mode = self.mode if request.path == "/webhook" else None
        status, answer, kind = 204, b"", "text/plain"
        match mode:
            case Mode.ERROR:
                status = 500
            case Mode.REORDER:
                self._held.append((request.path, body, headers))
            case _:
                if mode is Mode.SLOW:
                    time.sleep(SLOW_S)
                if mode is Mode.TWICE:
                    self.pass_on("POST", request.path, body, headers)
                status, answer, kind = self.pass_on(request.command, request.path, body, headers)
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def pass_on(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, str]:
        """(status, body, content type) of the bridge's answer; 502 where it does not answer."""
        connection = HTTPConnection("127.0.0.1", self._bridge, timeout=_PATIENCE_S)
        began = time.perf_counter()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, HTTPException):
            return 502, b"", "text/plain"
        finally:
            connection.close()
        if path == "/webhook":
            self.milliseconds.append(1000 * (time.perf_counter() - began))
        return response.status, answer, response.getheader("content-type") or "text/plain"
