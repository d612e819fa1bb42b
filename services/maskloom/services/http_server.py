"""An HTTP server as a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskloom.platform.errors import MaskloomError, SettingsError

LOOPBACK = "127.0.0.1"
_START_S = 30.0
_LAST_ANSWERS_S = 5
"""What is being answered when the server ends gets so long."""
_END_S = 10.0
_THREADS = 12
"""So many requests are worked on at a time. More would only take the interpreter from each other."""
_IDLE_S = 75
"""A connection is kept so long for the next request: longer than proxies keep theirs, which would else meet it closing."""


_HEADERS_S = 20.0
"""A new connection, or one that has begun with a request, gets so long to say what it asks for."""


class _Careful(H11Protocol):
    """Without a log of requests, whatever loggers are set to: addresses of images hold their signatures.

    And without patience for those who send headers letter by letter, of whom a few hundred would take all connections.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False
        self._hanging_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._let_be()

    def _limit_headers(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._let_be()
        elif self._hanging_up is None:
            self._hanging_up = self.loop.call_later(_HEADERS_S, self.transport.close)

    def _let_be(self) -> None:
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            self._hanging_up = None


def local_url(host: str, port: int) -> str:
    """Where a server that listens on `host` is reached from this machine."""
    return f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared, not bound


@contextmanager
def listening(host: str, port: int, *, hint: str) -> Iterator[socket.socket]:
    """A socket on a port (0: a free one) of an address of this machine.

    Raises SettingsError, with `hint`, when the port is taken or not allowed, or the address is not this machine's.
    """
    # Named in full: asyncio sends at once only on sockets that say they are TCP. Else each second part of an answer waits
    # 40 ms for the acknowledgement of the first.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from error
        yield listener


@contextmanager
def answering(app: FastAPI, listener: socket.socket, name: str, proxies: str = "") -> Iterator[None]:
    """Serve `app` for as long as the context lasts. Raises MaskloomError when it does not start.

    Who asks, and whether by HTTPS, is what the connection says; where it comes from one of `proxies` (addresses or networks,
    with commas), what their X-Forwarded-For and X-Forwarded-Proto say.
    """
    config = uvicorn.Config(
        app,
        http=_Careful,
        ws="none",
        lifespan="off",
        log_config=None,
        server_header=False,
        # Left to itself, uvicorn believes every process of this machine, and whom its environment names.
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
    )
    server = uvicorn.Server(config)
    ended = threading.Event()

    def run() -> None:
        try:
            asyncio.run(_serve(server, listener))
        finally:
            ended.set()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        _wait_for(server, ended, name)
        yield
    finally:
        server.should_exit = True
        # Who still waits for a catalog or a store that does not answer cannot be interrupted, and ends with the process.
        thread.join(_END_S)


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    await server.serve(sockets=[listener])


def _wait_for(server: uvicorn.Server, ended: threading.Event, name: str) -> None:
    waited = 0.0
    while not server.started:
        if ended.wait(0.02) or waited > _START_S:
            raise MaskloomError(f"the HTTP server of the {name} did not start", hint="Its log says why.")
        waited += 0.02
