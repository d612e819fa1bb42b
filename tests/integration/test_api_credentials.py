"""Who gets into the API, with tokens, sessions and passwords, and who does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from maskloom.platform.catalog import credentials
from maskloom.services.access import passwords
from support.asking import ask
from support.servers import PostgresServer
from support.service import ADMIN, API, CLOSED, OPEN, PASSWORD, STRANGER, Service, post, served


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def test_a_token_does_what_it_may_and_no_more(service: Service) -> None:
    lead = service.as_("lea")
    made = lead.ask("POST", "/tokens", {"label": "look", "role": "viewer", "dataset": OPEN})
    assert made.status == 201
    bearer = {"Authorization": f"Bearer {made.json['text']}", "Content_Type": "application/json"}
    assert ask(f"{service.url}{API}/datasets/{OPEN}", **bearer).json["role"] == "viewer"
    assert ask(f"{service.url}{API}/runs/{service.run.id}/pause", "POST", **bearer).status == 403
    more = json.dumps({"label": "more", "role": "lead", "dataset": OPEN}).encode()
    assert ask(f"{service.url}{API}/tokens", "POST", body=more, **bearer).status == 403
    everywhere = json.dumps({"label": "more", "role": "viewer"}).encode()
    assert ask(f"{service.url}{API}/tokens", "POST", body=everywhere, **bearer).status == 422
    assert lead.ask("DELETE", f"/tokens/{made.json['token']['id']}").status == 204
    assert ask(f"{service.url}{API}/me", **bearer).status == 401


def test_an_admins_token_for_one_data_set_sees_no_other_and_no_accounts(service: Service) -> None:
    made = service.as_(ADMIN).ask("POST", "/tokens", {"label": "one", "role": "admin", "dataset": OPEN})
    bearer = {"Authorization": f"Bearer {made.json['text']}"}
    assert ask(f"{service.url}{API}/datasets/{OPEN}", **bearer).status == 200
    assert ask(f"{service.url}{API}/datasets/{CLOSED}", **bearer).status == 404
    assert ask(f"{service.url}{API}/accounts", **bearer).status == 403
    assert ask(f"{service.url}{API}/audit", **bearer).status == 403


def test_nobody_makes_a_token_that_may_more_than_they_do(service: Service) -> None:
    asked = {"label": "more", "role": "lead", "dataset": OPEN}
    assert service.as_("vera").ask("POST", "/tokens", asked).status == 403
    assert service.as_(STRANGER).ask("POST", "/tokens", asked).status == 404
    wide = service.as_("vera").ask("POST", "/tokens", {"label": "wide", "role": "admin"}).json["text"]
    assert ask(f"{service.url}{API}/accounts", Authorization=f"Bearer {wide}").status == 403
    assert ask(f"{service.url}{API}/datasets/{OPEN}", Authorization=f"Bearer {wide}").json["role"] == "viewer"


def test_tokens_and_sessions_end(service: Service) -> None:
    admin = service.as_(ADMIN)
    secret = admin.ask("POST", "/accounts", {"name": "eli"}).json["secret"]
    assert post(service.url, "/session", account="eli", password=PASSWORD).status == 401
    assert post(service.url, "/invitation", secret=secret, password=PASSWORD).status == 204
    browser = service.sign_in("eli")
    text_ = browser.ask("POST", "/tokens", {"label": "t", "role": "viewer"}).json["text"]
    bearer = {"Authorization": f"Bearer {text_}"}
    assert ask(f"{service.url}{API}/me", **bearer).status == 200
    assert admin.ask("PUT", "/accounts/eli", {"admin": False, "active": False}).status == 200
    assert browser.ask("GET", "/me").status == 401
    assert ask(f"{service.url}{API}/me", **bearer).status == 401
    assert post(service.url, "/session", account="eli", password=PASSWORD).status == 401
    admin.ask("PUT", "/accounts/eli", {"admin": False, "active": True})
    assert ask(f"{service.url}{API}/me", **bearer).status == 200
    expire = text("update tokens set expires_at = clock_timestamp() where account = 'eli'")
    service.platform.database.transaction(lambda c: c.execute(expire))
    assert ask(f"{service.url}{API}/me", **bearer).status == 401
    second = service.sign_in("eli")
    assert second.ask("DELETE", "/session").status == 204
    assert second.ask("GET", "/me").status == 401


def test_an_expired_session_lets_nobody_in(service: Service) -> None:
    secret = passwords.new_secret()
    add = lambda c: credentials.add_session(c, passwords.digest_of(secret), "vera", timedelta(seconds=-1), "")  # noqa: E731
    service.platform.database.transaction(add)
    assert ask(f"{service.url}{API}/me", Cookie=f"maskloom_session={secret}").status == 401


def test_the_last_admin_stays(service: Service) -> None:
    for state in ({"admin": False, "active": True}, {"admin": True, "active": False}):
        assert service.as_(ADMIN).ask("PUT", f"/accounts/{ADMIN}", state).status == 422
    assert service.as_(ADMIN).ask("GET", "/me").json["admin"]


def test_a_change_needs_more_than_a_cookie(service: Service) -> None:
    browser = service.as_("lea")
    for csrf in ("", "0" * 64, service.as_("vera").csrf, "é"):
        answer = browser.ask("POST", f"/runs/{service.run.id}/pause", X_CSRF_Token=csrf)
        assert answer.status == 403
        assert "X-CSRF-Token" in answer.json["detail"]


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer mlm_0000000000000000_" + "A" * 43,
        "Bearer mlm_' or 1=1 --_" + "A" * 43,
        "Basic YWRhOmFkYQ==",
        "Bearer " + "A" * 6000,
        "bearer é",
    ],
)
def test_what_is_no_token_lets_nobody_in_even_with_a_good_cookie(
    service: Service, authorization: str
) -> None:
    cookie = service.as_(ADMIN).cookie
    assert ask(f"{service.url}{API}/me", Cookie=cookie, Authorization=authorization).status == 401


def test_a_wrong_password_is_noted_without_what_was_typed(service: Service) -> None:
    for account, password in (
        ("vera", "wrong horse battery"),
        ("my-password-in-the-wrong-box", "x"),
        ("nobody", ""),
    ):
        assert post(service.url, "/session", account=account, password=password).status == 401
    assert [(act.who, act.action, act.target) for act in service.newest_acts(3)] == [
        ("-", "session.refused", "unknown"),
        ("-", "session.refused", "unknown"),
        ("-", "session.refused", "vera"),
    ]


def test_who_guesses_too_often_has_to_wait_and_nobody_else(service: Service) -> None:
    answers = [post(service.url, "/session", account="rhea", password="guess") for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 15 * 60
    assert post(service.url, "/session", account="rhea", password=PASSWORD).status == 429
    assert post(service.url, "/session", account="lea", password=PASSWORD).status == 204


def test_the_cookie_is_for_this_site_and_not_for_scripts(service: Service) -> None:
    cookie = post(service.url, "/session", account="vera", password=PASSWORD).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
