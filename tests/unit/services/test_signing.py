"""Addresses of images, and the secret below a home that signs them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from maskloom.platform.errors import MaskloomError, OutputUnwritable, SettingsError
from maskloom.services.bridge import keys
from maskloom.services.bridge.signing import Access, ImageUrls

NOW = 1_700_000_000.5
DIGEST, OTHER = "ab" * 32, "cd" * 32
URLS = ImageUrls(base="http://127.0.0.1:8091", secret=b"k" * 32, lifetime_s=600)


def parts(url: str) -> tuple[str, str, str]:
    split = urlsplit(url)
    query = parse_qs(split.query)
    return split.path.rpartition("/")[2], query["expires"][0], query["signature"][0]


def test_an_address_is_good_until_it_expires() -> None:
    url = URLS.url(DIGEST, NOW)
    assert url.startswith(f"http://127.0.0.1:8091/images/{DIGEST}?expires=1700000600&signature=")
    assert URLS.check(*parts(url), NOW) is Access.GRANTED
    assert URLS.check(*parts(url), NOW + 599) is Access.GRANTED
    assert URLS.check(*parts(url), NOW + 600) is Access.EXPIRED


def test_an_address_is_good_for_its_image_and_time_alone() -> None:
    digest, expires, signature = parts(URLS.url(DIGEST, NOW))
    forged = [
        (OTHER, expires, signature),
        (digest, "1700009999", signature),
        (digest, f"0{expires}", signature),
        (digest, f" {expires}", signature),
        (digest, "", signature),
        (digest, "never", signature),
        (digest, "9" * 5000, signature),
        (digest, expires, ""),
        (digest, expires, signature.upper()),
        (digest, expires, signature[:-1]),
        (digest, expires, "0" * 64),
        (digest, expires, "\u00e4\ud800"),
        ("\ud800", "\u0661\u0662", signature),
    ]
    assert {URLS.check(*each, NOW) for each in forged} == {Access.REFUSED}


def test_an_address_of_another_secret_is_refused() -> None:
    other = ImageUrls(base=URLS.base, secret=b"o" * 32, lifetime_s=600)
    assert URLS.check(*parts(other.url(DIGEST, NOW)), NOW) is Access.REFUSED
    assert URLS.stale(other.url(DIGEST, NOW), NOW)


def test_an_address_is_replaced_while_a_third_of_its_time_is_left() -> None:
    url = URLS.url(DIGEST, NOW)
    assert not URLS.stale(url, NOW)
    assert not URLS.stale(url, NOW + 398)
    assert URLS.stale(url, NOW + 401)
    assert URLS.stale(url, NOW + 10_000)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://bucket/key",
        f"http://127.0.0.1:8092/images/{DIGEST}?expires=1700000600&signature={'0' * 64}",
        f"http://127.0.0.1:8091/images/{DIGEST}",
        f"http://127.0.0.1:8091/images/{DIGEST}?expires=1700000600&signature={'0' * 64}",
        URLS.url(DIGEST, NOW) + "&more=1",
        URLS.url(DIGEST, NOW).replace("8091", "8092"),
    ],
)
def test_an_address_of_somebody_else_is_replaced(url: str) -> None:
    assert URLS.stale(url, NOW)


def test_no_secret_shows(tmp_path: Path) -> None:
    made = keys.load(tmp_path)
    urls = ImageUrls(base="http://127.0.0.1:1", secret=made.signing)
    shown = f"{made!r} {urls!r}"
    assert made.shared.get_secret_value() not in shown
    assert repr(made.signing) not in shown
    assert "signing" not in shown


def test_the_keys_stay_and_differ(tmp_path: Path) -> None:
    made = keys.load(tmp_path)
    assert keys.load(tmp_path) == made
    assert made.signing.hex() != made.shared.get_secret_value()
    assert keys.load(tmp_path / "other home") != made
    file = tmp_path / "secrets" / "bridge"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_size == 32
    assert [path.name for path in file.parent.iterdir()] == ["bridge"]


def loaded(home: Path) -> str:
    return keys.load(home).shared.get_secret_value()


def test_processes_that_ask_at_once_get_the_same_keys(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        for number in range(10):
            assert len(set(processes.map(loaded, [tmp_path / str(number)] * 8))) == 1


def test_a_secret_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    keys.load(tmp_path)
    (tmp_path / "secrets" / "bridge").chmod(0o640)
    with pytest.raises(SettingsError, match="others than its owner") as refused:
        keys.load(tmp_path)
    assert "chmod 600" in refused.value.hint


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_secret_is_not_used(tmp_path: Path, content: bytes) -> None:
    keys.load(tmp_path)
    (tmp_path / "secrets" / "bridge").write_bytes(content)
    with pytest.raises(SettingsError, match="damaged"):
        keys.load(tmp_path)


def test_a_home_that_cannot_hold_a_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("no folder")
    with pytest.raises(MaskloomError, match="secrets/bridge") as refused:
        keys.load(tmp_path)
    assert isinstance(refused.value, OutputUnwritable)


def test_a_secret_is_compared_whole(tmp_path: Path) -> None:
    shared = keys.load(tmp_path).shared
    right = shared.get_secret_value()
    assert keys.same(right, shared)
    assert not any(
        keys.same(wrong, shared) for wrong in ("", right[:-1], right + "0", right.upper() + " ", "\xe4")
    )
