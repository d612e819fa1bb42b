"""The bridge's HTTP server: its beginning and end, and images for browsers."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException

import numpy as np
import pytest
from PIL import Image

from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import Split
from maskloom.services import http_server
from maskloom.services.bridge.server.images import origins_of
from maskloom.services.bridge.server.serving import serving
from maskloom.services.bridge.signing import ImageUrls
from support.asking import ask
from support.bridge import TOOL_URL, Bridge, bridged
from support.servers import PostgresServer

LOOKS_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def bridge(postgres_server: PostgresServer) -> Iterator[Bridge]:
    with bridged(postgres_server) as made:
        yield made


def image_url(bridge: Bridge, digest: str, age_s: float = 0.0) -> str:
    return bridge.served.images.url(digest, time.time() - age_s)


def a_slice(bridge: Bridge) -> str:
    return bridge.digests[Split.UNLABELLED][0]


def test_it_says_that_it_is_there_and_nothing_else(bridge: Bridge) -> None:
    answer = ask(f"{bridge.served.url}/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    for path in ("/", "/docs", "/openapi.json", "/redoc", "/images", "/images/", "/ml", "/webhook"):
        assert ask(bridge.served.url + path).status in {404, 405}


def test_a_signed_address_gives_the_slice_as_it_was_stored(bridge: Bridge) -> None:
    for split in (Split.UNLABELLED, Split.LABELLED):
        digest = bridge.digests[split][0]
        answer = ask(image_url(bridge, digest))
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
        assert answer.body == bridge.platform.objects.get(digest)


def test_a_jpeg_is_a_jpeg(bridge: Bridge) -> None:
    digest = bridge.others["lossy.jpg"]
    answer = ask(image_url(bridge, digest))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.body == bridge.platform.objects.get(digest)


def test_sixteen_bits_become_eight_that_a_browser_can_show(bridge: Bridge) -> None:
    answer = ask(image_url(bridge, bridge.others["deep.png"]))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.body)) as image:
        assert (image.mode, image.size) == ("L", (40, 48))
        pixels = np.asarray(image)
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_only_pages_of_label_studio_may_draw_on_an_image(bridge: Bridge) -> None:
    url = image_url(bridge, a_slice(bridge))
    for answer in (ask(url), ask(url, Origin=TOOL_URL), ask(url, Origin="http://evil.example")):
        assert answer.headers["access-control-allow-origin"] == TOOL_URL
        assert answer.headers["vary"] == "Origin"
        assert answer.headers["cache-control"] == "private"
        assert answer.headers["x-content-type-options"] == "nosniff"
    by_name = ask(url, Origin="http://localhost:8090")
    assert by_name.headers["access-control-allow-origin"] == "http://localhost:8090"


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("http://127.0.0.1:8090/", ("http://127.0.0.1:8090", "http://localhost:8090", "http://[::1]:8090")),
        ("http://localhost:80", ("http://localhost", "http://127.0.0.1", "http://[::1]")),
        ("https://Label.example:443/base", ("https://label.example",)),
        ("https://label.example:8443", ("https://label.example:8443",)),
        ("http://[fd00::1]:8090", ("http://[fd00::1]:8090",)),
    ],
)
def test_origins_are_as_browsers_write_them(url: str, origins: tuple[str, ...]) -> None:
    assert origins_of(url) == origins


def test_an_expired_address_says_so(bridge: Bridge) -> None:
    answer = ask(image_url(bridge, a_slice(bridge), age_s=13 * 3600))
    assert answer.status == 403
    assert "expired" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["access-control-allow-origin"] == TOOL_URL


def test_an_address_that_was_not_signed_here_is_refused(bridge: Bridge) -> None:
    url, other = image_url(bridge, a_slice(bridge)), bridge.digests[Split.UNLABELLED][1]
    elsewhere = ImageUrls(base=bridge.served.url, secret=b"x" * 32)
    refused = [
        url.partition("?")[0],
        url.partition("&")[0],
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace(a_slice(bridge), other),
        url.replace("expires=", "expires=9"),
        url + "&signature=",
        url + "&expires=%00",
        elsewhere.url(a_slice(bridge), time.time()),
        f"{bridge.served.url}/images/%00?expires=1&signature=%ff",
        f"{bridge.served.url}/images/..%2f..%2fsecrets?expires=1&signature=1",
    ]
    answers = [ask(each) for each in refused]
    assert {answer.status for answer in answers} <= {403, 404}
    assert [answer.status for answer in answers[:8]] == [403] * 8
    assert not any(b"PNG" in answer.body for answer in answers)


def test_only_slices_that_readers_see_are_served(bridge: Bridge) -> None:
    mask = bridge.platform.objects.put(b"\x89PNG no slice of any data set")
    for digest in (*bridge.digests[Split.TEST], mask, "0" * 64):
        answer = ask(image_url(bridge, digest))
        assert answer.status == 404
        assert b"PNG" not in answer.body


def test_a_slice_that_cannot_be_read_is_an_error_without_particulars(
    bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    digest = bridge.digests[Split.UNLABELLED][-1]
    data = bridge.platform.objects.get(digest)
    bridge.platform.objects.delete(digest)
    try:
        answer = ask(image_url(bridge, digest))
    finally:
        bridge.platform.objects.put(data)
    assert answer.status == 503
    assert str(bridge.platform.settings.home) not in answer.text
    assert digest in caplog.text
    assert "signature" not in caplog.text


def test_nothing_that_is_asked_is_logged(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    url = image_url(bridge, a_slice(bridge))
    with caplog.at_level(logging.DEBUG):
        assert ask(url).status == 200
        assert ask(bridge.served.webhook, "POST", X_Maskloom_Secret=bridge.password).status == 204
        assert ask(url + "0").status == 403
    assert "signature" not in caplog.text
    assert bridge.password not in caplog.text


def test_it_ends_with_its_context_and_can_begin_again(bridge: Bridge) -> None:
    parts = {"keys": bridge.keys, "tool_url": TOOL_URL, "look": bridge.looked.set}
    with serving(bridge.platform, **parts) as served:
        port = int(served.url.rpartition(":")[2])
        url = served.images.url(a_slice(bridge), time.time())
        with (
            pytest.raises(SettingsError, match=f"127.0.0.1:{port}"),
            serving(bridge.platform, **parts, port=port),
        ):
            pass
    with pytest.raises(ConnectionRefusedError):
        ask(url)
    assert not [thread for thread in threading.enumerate() if thread.name == "bridge"][1:]
    with serving(bridge.platform, **parts, port=port) as again:
        assert not again.images.stale(url, time.time())
        assert ask(url).status == 200


def test_it_ends_although_the_store_does_not_answer(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), threading.Event()

    def silent(_digest: str) -> bytes:
        asked.set()
        assert answered.wait(LOOKS_WITHIN_S)
        return b""

    monkeypatch.setattr(http_server, "_LAST_ANSWERS_S", 1)
    monkeypatch.setattr(http_server, "_END_S", 2.0)
    monkeypatch.setattr(bridge.platform.objects, "get", silent)
    before = set(threading.enumerate())
    with serving(bridge.platform, keys=bridge.keys, tool_url=TOOL_URL, look=bridge.looked.set) as served:
        url = served.images.url(a_slice(bridge), time.time())
        sender = threading.Thread(target=given_up_on, args=(url,))
        sender.start()
        assert asked.wait(LOOKS_WITHIN_S)
    left = set(threading.enumerate()) - before
    assert not answered.is_set()
    answered.set()
    sender.join()
    for thread in left:
        if thread.name == "bridge":
            thread.join(LOOKS_WITHIN_S)


def given_up_on(url: str) -> None:
    with suppress(ConnectionError, HTTPException):
        ask(url)
