"""Which annotation tool a machine's settings name."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from maskloom.platform.bootstrap import Platform
from maskloom.platform.settings import Settings
from maskloom.services.bridge import keys
from maskloom.services.bridge.folder import Folder
from maskloom.services.bridge.label_studio import server
from maskloom.services.bridge.label_studio.callbacks import Callbacks
from maskloom.services.bridge.label_studio.tool import open_label_studio
from maskloom.services.bridge.server import backend, webhook
from maskloom.services.bridge.signing import ImageUrls
from maskloom.services.bridge.tool import AnnotationTool

_HERE = {"127.0.0.1", "localhost", "::1"}


def label_studio_of(settings: Settings) -> str | None:
    """The address of the Label Studio in use: the one that is set, or the home's own if it runs; None without one."""
    if settings.label_studio_url is not None:
        return settings.label_studio_url.rstrip("/")
    access = server.running(settings.home)
    return access.url if access else None


def open_tool(platform: Platform, bridge: str | None = None) -> AnnotationTool:
    """Label Studio where one is set or runs, else folders below `MASKLOOM_HOME/reviews`.

    Args:
        platform: what the process works with.
        bridge: the address of the bridge on this machine; where it is needed and not given, it is started.
    """
    settings = platform.settings
    url = label_studio_of(settings)
    if url is None:
        return Folder(settings.home / "reviews", platform.objects)
    bridge = reached_at(settings, url, bridge)
    urls = ImageUrls(base=bridge or "", secret=keys.load(settings.home).signing)
    tool = open_label_studio(
        settings,
        platform.objects,
        image_url=(lambda _, digest: urls.url(digest, time.time())) if bridge else None,
        stale=lambda url: urls.stale(url, time.time()),
        callbacks=_callbacks(settings, bridge) if bridge else None,
    )
    assert tool is not None
    return tool


def reached_at(settings: Settings, label_studio: str, bridge: str | None = None) -> str | None:
    """Where a Label Studio and its readers reach the bridge, or None where they cannot.

    The bridge is started where it belongs on this machine and its address there, `bridge`, is not given.
    """
    if urlsplit(label_studio).hostname in _HERE or settings.bridge_listen is not None:
        from maskloom.services.bridge import process  # noqa: PLC0415 - which opens a tool itself

        bridge = bridge or process.ensure(settings)
        return settings.bridge_url or bridge
    return settings.bridge_url


def _callbacks(settings: Settings, bridge: str) -> Callbacks:
    shared = keys.load(settings.home).shared
    return Callbacks(bridge=bridge, header=webhook.HEADER, secret=shared, user=backend.USER, password=shared)
