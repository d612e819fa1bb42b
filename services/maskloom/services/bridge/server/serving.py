"""The bridge's HTTP server as a thread of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import MaskloomError, SettingsError
from maskloom.services.bridge.keys import Keys
from maskloom.services.bridge.server.app import create_app
from maskloom.services.bridge.signing import LIFETIME_S, ImageUrls

LOOPBACK = "127.0.0.1"
_START_S = 30.0
_LAST_ANSWERS_S = 5
"""What is being answered when the server ends gets so long."""
_END_S = 10.0


class _Unlogged(H11Protocol):
    """Without a log of requests, whatever loggers are set to: addresses of images hold their signatures."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that runs: its base URL, and the addresses of the images that it serves."""

    url: str
    images: ImageUrls

    def backend(self, run: str) -> str:
        """The address of the ML backend of a run."""
        return f"{self.url}/ml/{run}"

    @property
    def webhook(self) -> str:
        """The address of the webhook."""
        return f"{self.url}/webhook"


def local_url(host: str, port: int) -> str:
    """Where a server that listens on `host` is reached from this machine."""
    return f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared, not bound


@contextmanager
def serving(
    platform: Platform,
    *,
    keys: Keys,
    tool_url: str,
    look: Callable[[], None],
    host: str = LOOPBACK,
    port: int = 0,
    lifetime_s: int = LIFETIME_S,
) -> Iterator[Served]:
    """Serve on a port (0: a free one) of an address of this machine for as long as the context lasts.

    The rest is as for `create_app`.

    Raises:
        SettingsError: the port is taken, or not allowed, or the address is not this machine's.
        MaskloomError: the server does not start.
    """
    with _listening(host, port) as listener:
        url = local_url(host, listener.getsockname()[1])
        urls = ImageUrls(base=url, secret=keys.signing, lifetime_s=lifetime_s)
        app = create_app(platform, keys=keys, urls=urls, tool_url=tool_url, look=look)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=_Unlogged,
            ws="none",
            lifespan="off",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_LAST_ANSWERS_S,
        )
        with _running(uvicorn.Server(config), listener):
            yield Served(url=url, images=urls)


@contextmanager
def _running(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    ended = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            ended.set()

    thread = threading.Thread(target=run, name="bridge-http", daemon=True)
    thread.start()
    try:
        _wait_for(server, ended)
        yield
    finally:
        server.should_exit = True
        # Who still waits for a catalog or a store that does not answer cannot be interrupted, and ends with the process.
        thread.join(_END_S)


def _wait_for(server: uvicorn.Server, ended: threading.Event) -> None:
    waited = 0.0
    while not server.started:
        if ended.wait(0.02) or waited > _START_S:
            raise MaskloomError("the bridge's HTTP server did not start", hint="Its log says why.")
        waited += 0.02


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                hint="Choose another address in MASKLOOM_BRIDGE_LISTEN, or unset it to have a free one.",
            ) from error
        yield listener
