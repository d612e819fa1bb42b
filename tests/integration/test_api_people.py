"""What people do about their own account, what admins find in the audit trail, and who is not let near either."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from maskloom.platform.catalog import audit
from maskloom.services.access import tokens
from support.asking import ask
from support.servers import PostgresServer
from support.service import ADMIN, API, OPEN, PASSWORD, STRANGER, Service, post, served

OTHER = "another horse battery"
PROXY = {"X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "https"}


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def trail(service: Service, **sought: str) -> list[dict[str, Any]]:
    """The entries that are found, portion by portion."""
    found, cursor = [], ""
    while True:
        query = urlencode(sought | {"limit": "3"} | ({"cursor": cursor} if cursor else {}))
        page = service.as_(ADMIN).ask("GET", f"/audit?{query}").json
        found += page["items"]
        cursor = page["next"]
        if not cursor:
            return found


def test_the_trail_is_searched(service: Service) -> None:
    service.as_("lea").ask("POST", f"/runs/{service.run.id}/resume", {})
    service.as_("lea").ask("POST", f"/runs/{service.run.id}/pause")
    post(service.url, "/session", account="lea", password="wrong")
    actions = [entry["act"]["action"] for entry in trail(service, who="lea", dataset=OPEN)]
    assert actions == ["run.paused", "run.resumed"]
    assert {entry["act"]["action"] for entry in trail(service, action="session")} == {
        "session.began",
        "session.refused",
    }
    refused = trail(service, action="session.refused")
    assert [entry["act"]["target"] for entry in refused] == ["lea"]
    at = refused[0]["at"]
    assert trail(service, since=at)[-1]["number"] == refused[0]["number"]
    assert trail(service, until=at)[0]["number"] == refused[0]["number"] - 1
    numbers = [entry["number"] for entry in trail(service)]
    assert numbers == list(range(numbers[0], 0, -1))
    for nothing in ({"who": "run%"}, {"action": "ses"}, {"action": "%"}, {"dataset": "x' or 1=1 --"}):
        assert trail(service, **nothing) == []
    assert service.as_(ADMIN).ask("GET", "/audit?since=yesterday").status == 422
    assert service.as_(ADMIN).ask("GET", "/audit?since=2026-01-01T00:00:00").status == 422, "whose midnight?"


def test_the_trail_is_taken_out_and_that_is_noted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskloom.services.api.audit_trail._PORTION", 2)
    service.as_("lea")
    answer = service.as_(ADMIN).ask("GET", "/audit.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(row["number"]) for row in rows] == list(range(1, len(rows) + 1))
    assert (rows[-1]["who"], rows[-1]["action"]) == (ADMIN, "audit.exported")
    found = list(
        csv.DictReader(io.StringIO(service.as_(ADMIN).ask("GET", "/audit.csv?who=lea").text, newline=""))
    )
    assert {row["who"] for row in found} == {"lea"}
    assert trail(service, action="audit")[0]["act"]["detail"] == {"sought": {"who": "lea"}}


def test_the_trail_is_verified_by_asking(service: Service) -> None:
    service.sign_in("lea"), service.sign_in("rhea")
    verdict = service.as_(ADMIN).ask("GET", "/audit/verification").json
    head = service.platform.database.transaction(audit.head)
    assert verdict == {"holds": True, "found": {"number": head.number, "hash": head.hash}}
    tamper = "update audit set who = '{}' where number = 2"
    was = trail(service)[-2]["act"]["who"]
    for who, holds in (("eve", False), (was, True)):
        statements = ("disable trigger all", tamper.format(who), "enable trigger all")
        for statement in statements:
            whole = statement if statement.startswith("update") else f"alter table audit {statement}"
            service.platform.database.transaction(lambda c, whole=whole: c.execute(text(whole)))
        found = service.as_(ADMIN).ask("GET", "/audit/verification").json
        assert (found["holds"], found["found"]["number"]) == (holds, head.number if holds else 2)


def test_somebody_changes_their_password_and_is_out_everywhere_else(service: Service) -> None:
    here, there = service.sign_in("rhea"), service.sign_in("rhea")
    change = {"old": "not it", "new": OTHER}
    assert here.ask("PUT", "/me/password", change).status == 403
    assert here.ask("PUT", "/me/password", {"old": PASSWORD, "new": "short"}).status == 422
    assert there.ask("GET", "/me").status == 200
    assert here.ask("PUT", "/me/password", change | {"old": PASSWORD}).status == 204
    assert there.ask("GET", "/me").status == 401
    assert here.ask("GET", "/me").status == 200
    assert post(service.url, "/session", account="rhea", password=PASSWORD).status == 401
    assert post(service.url, "/session", account="rhea", password=OTHER).status == 204
    acts = [entry["act"]["action"] for entry in trail(service, action="password")]
    assert acts == ["password.set", "password.refused"]
    assert all("horse" not in str(entry) for entry in trail(service))


def test_somebody_who_guesses_their_own_password_has_to_wait(service: Service) -> None:
    secret = service.as_(ADMIN).ask("POST", "/accounts", {"name": "gus"}).json["secret"]
    assert post(service.url, "/invitation", secret=secret, password=PASSWORD).status == 204
    browser = service.sign_in("gus")
    guesses = [browser.ask("PUT", "/me/password", {"old": "guess", "new": OTHER}).status for _ in range(11)]
    assert guesses == [403] * 10 + [429]


def test_sessions_are_seen_and_ended(service: Service) -> None:
    here, there = service.sign_in("vera"), service.sign_in("vera")
    found = here.ask("GET", "/sessions").json["items"]
    assert [one["here"] for one in found] == [False, True]
    assert {one["address"] for one in found} == {"127.0.0.1"}
    assert here.ask("DELETE", "/sessions").status == 204
    assert there.ask("GET", "/me").status == 401
    assert [one["here"] for one in here.ask("GET", "/sessions").json["items"]] == [True]
    assert trail(service, who="vera")[0]["act"]["detail"] == {"sessions": 1}


def test_a_session_is_never_one_that_the_browser_came_with(service: Service) -> None:
    planted = "maskloom_session=" + "A" * 43
    body = b'{"account": "lea", "password": "%s"}' % PASSWORD.encode()
    answer = ask(
        service.url + API + "/session", "POST", body=body, Cookie=planted, Content_Type="application/json"
    )
    assert answer.status == 204
    assert planted not in answer.headers["set-cookie"]
    assert ask(service.url + API + "/me", Cookie=planted).status == 401


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, 204),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "{url}"}, 204),
        ({}, 204),
    ],
)
def test_what_a_page_of_another_site_sends_is_refused(
    service: Service, sent: dict[str, str], status: int
) -> None:
    headers = {name: value.format(url=service.url) for name, value in sent.items()}
    assert service.as_("lea").ask("DELETE", "/sessions", **headers).status == status
    body = b'{"account": "lea", "password": "%s"}' % PASSWORD.encode()
    door = ask(service.url + API + "/session", "POST", body=body, Content_Type="application/json", **headers)
    assert door.status == status


def test_a_token_says_when_it_was_used_and_there_are_not_too_many(service: Service) -> None:
    stranger = service.as_(STRANGER)
    wanted = {"label": "t", "role": "viewer"}
    text_ = stranger.ask("POST", "/tokens", wanted).json["text"]
    assert stranger.ask("GET", "/tokens").json["items"][0]["used_at"] is None
    assert ask(service.url + API + "/me", Authorization=f"Bearer {text_}").status == 200
    assert stranger.ask("GET", "/tokens").json["items"][0]["used_at"]
    more = [stranger.ask("POST", "/tokens", wanted).status for _ in range(tokens.MOST)]
    assert more == [201] * (tokens.MOST - 1) + [422]


def test_wrong_tokens_are_counted_and_right_ones_still_work(service: Service) -> None:
    right = service.as_("lea").ask("POST", "/tokens", {"label": "t", "role": "viewer"}).json["text"]
    wrong = [ask(service.url + API + "/me", Authorization="Bearer no") for _ in range(51)]
    assert [answer.status for answer in wrong] == [401] * 50 + [429]
    assert "token" in wrong[0].json["detail"]
    described = service.as_("lea").ask("GET", "/openapi.json").json["paths"]
    asked_for = [one for methods in described.values() for one in methods.values() if one.get("security")]
    assert asked_for
    assert all("429" in one["responses"] for one in asked_for)
    assert ask(service.url + API + "/me", Authorization=f"Bearer {right}").status == 200
    assert post(service.url, "/session", account="lea", password=PASSWORD).status == 204


def test_nobody_says_of_themselves_that_they_are_a_proxy(service: Service) -> None:
    body = b'{"account": "lea", "password": "%s"}' % PASSWORD.encode()
    answer = ask(service.url + API + "/session", "POST", body=body, Content_Type="application/json", **PROXY)
    assert "secure" not in answer.headers["set-cookie"].lower()
    assert "strict-transport-security" not in answer.headers
    assert trail(service, who="lea")[0]["act"]["address"] == "127.0.0.1"


def test_a_proxy_that_is_named_is_believed(postgres_server: PostgresServer) -> None:
    with served(postgres_server, proxies="127.0.0.1,10.0.0.0/8") as service:
        body = b'{"account": "lea", "password": "%s"}' % PASSWORD.encode()
        said = {"X_Forwarded_For": "203.0.113.9, 192.0.2.7, 10.1.2.3", "X_Forwarded_Proto": "https"}
        answer = ask(
            service.url + API + "/session", "POST", body=body, Content_Type="application/json", **said
        )
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"]
        # What stands before the last stranger, that one may have made up.
        assert trail(service, who="lea")[0]["act"]["address"] == "192.0.2.7"
