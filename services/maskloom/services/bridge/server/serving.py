"""The bridge's HTTP server as a thread of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from maskloom.platform.bootstrap import Platform
from maskloom.services.bridge.keys import Keys
from maskloom.services.bridge.server.app import create_app
from maskloom.services.bridge.signing import LIFETIME_S, ImageUrls
from maskloom.services.http_server import LOOPBACK, answering, listening, local_url

_HINT = "Choose another address in MASKLOOM_BRIDGE_LISTEN, or unset it to have a free one."


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
    with listening(host, port, hint=_HINT) as listener:
        url = local_url(host, listener.getsockname()[1])
        urls = ImageUrls(base=url, secret=keys.signing, lifetime_s=lifetime_s)
        app = create_app(platform, keys=keys, urls=urls, tool_url=tool_url, look=look)
        with answering(app, listener, "bridge"):
            yield Served(url=url, images=urls)
