"""Signing in with an OpenID Connect provider: who comes in with which account, and whom nobody lets in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from maskloom.platform.audit_facts import Act
from maskloom.platform.catalog import audit
from support.asking import Answer, ask
from support.oidc_provider import HANNA, OidcProvider, oidc_provider
from support.servers import PostgresServer, free_ports
from support.service import ADMIN, API, OPEN, PASSWORD, Browser, Service, post, served

_addresses = count(1)
BEGIN = API + "/session/oidc"


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with oidc_provider() as started:
        yield started


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer, provider: OidcProvider) -> Iterator[Service]:
    port = free_ports(1)[0]
    settings = provider.settings(f"http://127.0.0.1:{port}")
    with served(postgres_server, port, **settings, proxies="127.0.0.1") as made:
        yield made


@pytest.fixture(autouse=True)
def honest(provider: OidcProvider) -> None:
    """The provider as it should be."""
    provider.trick, provider.person = "", dict(HANNA)


@pytest.fixture
def address() -> str:
    """Where somebody asks from: in each test elsewhere, so that none is throttled for another."""
    return f"2001:db8::{next(_addresses):x}"


def begin(service: Service, next_page: str = "/") -> tuple[str, str]:
    """(address at the provider, cookie)."""
    answer = ask(f"{service.url}{BEGIN}?{urlencode({'next': next_page})}")
    assert answer.status == 303
    return answer.headers["location"], answer.headers["set-cookie"].partition(";")[0]


def at_provider(location: str) -> str:
    """Where the provider sends a browser back to that has come by that address."""
    return ask(location, "POST", body=b"").headers["location"]


def come_back(url: str, cookie: str, address: str) -> Answer:
    return ask(url, Cookie=cookie, Accept="text/html", X_Forwarded_For=address)


def sign_in(service: Service, address: str, next_page: str = "/") -> Answer:
    location, cookie = begin(service, next_page)
    return come_back(at_provider(location), cookie, address)


def session_of(answer: Answer) -> str:
    found = re.search(r"maskloom_session=[^;]+", answer.headers["set-cookie"])
    assert found
    return found[0]


def newest(service: Service, count: int) -> list[Act]:
    return [
        entry.act for entry in service.platform.database.transaction(lambda c: audit.newest(c, None, count))
    ]


def test_somebody_unknown_gets_an_account_that_sees_nothing_until_an_admin_says(
    service: Service, address: str
) -> None:
    location, cookie = begin(service, f"/datasets/{OPEN}?split=test")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"].split()[0] == "openid"
    answer = come_back(at_provider(location), cookie, address)
    assert answer.status == 200
    assert f'content="0; url=/datasets/{OPEN}?split=test"' in answer.text
    browser = Browser(url=service.url, cookie=session_of(answer), csrf="")
    me = browser.ask("GET", "/me").json
    assert (me["account"], me["admin"], me["roles"]) == ("hanna", False, {})
    began, made = newest(service, 2)
    assert (made.who, made.action, made.target, made.via) == ("hanna", "account.made", "hanna", "provider")
    assert (began.action, began.address) == ("session.began", address)
    service.as_(ADMIN).ask("PUT", f"/accounts/hanna/roles/{OPEN}", {"role": "reader"})
    again = Browser(url=service.url, cookie=session_of(sign_in(service, address)), csrf="")
    assert again.ask("GET", "/me").json["roles"] == {OPEN: "reader"}
    assert newest(service, 1)[0].action == "session.began"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"preferred_username": ADMIN, "email": "ada@hospital.example"}, "ada@hospital.example"),
        ({"preferred_username": ADMIN, "email": "lea"}, "person-"),
        ({"preferred_username": "Ünï <script>", "email": 7}, "person-"),
        ({}, "person-"),
    ],
)
def test_no_account_is_taken_over_by_its_name(
    service: Service, provider: OidcProvider, address: str, names: dict[str, object], expected: str
) -> None:
    provider.person = {"sub": address, **names}
    browser = Browser(url=service.url, cookie=session_of(sign_in(service, address)), csrf="")
    me = browser.ask("GET", "/me").json
    assert me["account"].startswith(expected)
    assert not me["admin"]
    assert post(service.url, "/session", account=ADMIN, password=PASSWORD).status == 204


def test_an_account_that_is_not_let_in_stays_out(
    service: Service, provider: OidcProvider, address: str
) -> None:
    provider.person = {"sub": "gone", "preferred_username": "gregor"}
    browser = Browser(url=service.url, cookie=session_of(sign_in(service, address)), csrf="")
    service.as_(ADMIN).ask("PUT", "/accounts/gregor", {"admin": False, "active": False})
    assert browser.ask("GET", "/me").status == 401
    answer = sign_in(service, address)
    assert answer.status == 401
    assert "is not let in" in answer.text
    refusal = newest(service, 1)[0]
    assert (refusal.who, refusal.action, refusal.target) == ("-", "session.refused", "gregor")


TRICKS = (
    "wrong nonce",
    "no nonce",
    "wrong audience",
    "several audiences",
    "expired",
    "no exp",
    "not yet",
    "other issuer",
    "alg none",
    "HS256 with the public key",
    "former key",
    "former key under the new name",
    "changed",
    "no token",
    "odd subject",
    "no sub",
    "hash of another token",
)


@pytest.mark.parametrize("trick", TRICKS)
def test_what_the_provider_does_not_vouch_for_lets_nobody_in(
    service: Service, provider: OidcProvider, address: str, trick: str
) -> None:
    provider.trick = trick
    refused(service, sign_in(service, address), address)


def refused(service: Service, answer: Answer, address: str) -> None:
    """Told to the person as a page, noted, and no session."""
    assert answer.status == 401, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "did not sign you in" in answer.text
    assert "maskloom_session" not in answer.headers.get("set-cookie", "")
    noted = newest(service, 1)[0]
    assert (noted.action, noted.target, noted.address) == ("session.refused", "unknown", address)


def test_a_code_is_used_once(service: Service, address: str) -> None:
    location, cookie = begin(service)
    back = at_provider(location)
    assert come_back(back, cookie, address).status == 200
    refused(service, come_back(back, cookie, address), address)


def test_only_the_browser_that_was_sent_comes_back(service: Service, address: str) -> None:
    back = at_provider(begin(service)[0])
    other = begin(service)[1]
    name, _, value = other.partition("=")
    secret, expires, *rest = value.split(".")
    longer = ".".join((secret, str(int(expires) + 10**6), *rest))
    for cookie in ("", other, f"{name}=", f"{name}=a.b.c.d", f"{name}={longer}", f"{name}=é"):
        refused(service, come_back(back, cookie, address), address)


@pytest.mark.parametrize("change", ["state", "iss", "error", "code", "foreign code"])
def test_a_forged_answer_lets_nobody_in(service: Service, address: str, change: str) -> None:
    location, cookie = begin(service)
    parts = urlsplit(at_provider(location))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    # The code of somebody else's visit: it is good, and PKCE keeps it from this browser.
    foreign = parse_qs(urlsplit(at_provider(begin(service)[0])).query)["code"][0]
    query |= {
        "state": {"state": query["state"][:-1]},
        "iss": {"iss": "http://localhost:1"},
        "error": {"error": "access_denied"},
        "code": {"code": "x' or 1=1 --"},
        "foreign code": {"code": foreign},
    }[change]
    refused(service, come_back(f"{service.url}{parts.path}?{urlencode(query)}", cookie, address), address)


def test_who_is_refused_too_often_has_to_wait(service: Service, address: str) -> None:
    answers = [come_back(service.url + BEGIN + "/callback", "", address).status for _ in range(11)]
    assert answers == [401] * 10 + [429]
    assert sign_in(service, f"{address}1").status == 200


def test_new_keys_of_the_provider_are_looked_for_and_old_ones_are_worth_nothing(
    service: Service, provider: OidcProvider, address: str
) -> None:
    assert sign_in(service, address).status == 200
    before = provider.asked.count("/.well-known/openid-configuration")
    provider.rotate()
    assert sign_in(service, address).status == 200
    asked = provider.asked.count("/keys")
    assert sign_in(service, address).status == 200
    assert provider.asked.count("/keys") == asked, "keys that fit are kept"
    provider.trick = "former key"
    refused(service, sign_in(service, address), address)
    assert provider.asked.count("/.well-known/openid-configuration") == before, (
        "what it says of itself is kept"
    )


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:1", ""],
)
def test_signing_in_leads_nowhere_else(service: Service, address: str, elsewhere: str) -> None:
    answer = sign_in(service, address, elsewhere)
    assert 'content="0; url=/"' in answer.text


def test_a_provider_that_answers_nonsense_is_told_of_in_words(
    service: Service, provider: OidcProvider, address: str
) -> None:
    provider.trick = "nonsense"
    answer = sign_in(service, address)
    assert answer.status == 503
    assert "localhost" in answer.text
    assert newest(service, 1)[0].action == "session.refused"


def test_a_provider_that_is_away_is_told_of_and_passwords_still_work(postgres_server: PostgresServer) -> None:
    away = OidcProvider(issuer=f"http://localhost:{free_ports(1)[0]}")
    with served(postgres_server, **away.settings("http://127.0.0.1:1")) as service:
        answer = ask(service.url + BEGIN, Accept="text/html")
        assert answer.status == 503
        assert "localhost does not answer" in answer.text
        assert "sign in with a password" in answer.text
        assert "Sign in with localhost" in ask(service.url + "/sign-in").text
        assert post(service.url, "/session", account="vera", password=PASSWORD).status == 204
