"""The API's HTTP server as a thread of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maskloom.platform.bootstrap import Platform
from maskloom.services.api.app import create_app
from maskloom.services.http_server import LOOPBACK, answering, listening, local_url


@contextmanager
def serving(platform: Platform, *, host: str = LOOPBACK, port: int = 0) -> Iterator[str]:
    """Serve on a port (0: a free one) of an address of this machine for as long as the context lasts; the base URL.

    Raises SettingsError when the port is taken, or not allowed, or the address is not this machine's.
    """
    with (
        listening(host, port, hint="Choose another address with --listen.") as listener,
        answering(create_app(platform), listener, "API", platform.settings.proxies),
    ):
        yield local_url(host, listener.getsockname()[1])
