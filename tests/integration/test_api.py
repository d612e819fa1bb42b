"""The API in use: lists in portions, runs that are started and stopped, tokens, and those who try to get in without a right."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from shutil import which
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import text

from maskloom.platform.catalog import audit, credentials
from maskloom.platform.facts import Split
from maskloom.services.access import passwords
from support.asking import ask
from support.commands import wait_until
from support.servers import PostgresServer
from support.service import ADMIN, API, CLOSED, OPEN, PASSWORD, STRANGER, Service, figures, post, served

HOSTILE = (
    "'; drop table accounts; --",
    "' or '1'='1",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "\x00",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "a" * 5000,
    "\u202e\ud7ff",
)


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def everything(service: Service, path: str, limit: int) -> list[dict[str, Any]]:
    """A list, portion by portion."""
    found, cursor = [], ""
    while True:
        page = service.as_("vera").ask("GET", f"{path}limit={limit}&cursor={cursor}").json
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next"]
        if not cursor:
            return found


def newest_acts(service: Service, count: int) -> list[tuple[str, str, str]]:
    entries = service.platform.database.transaction(lambda c: audit.newest(c, None, count))
    return [(entry.act.who, entry.act.action, entry.act.target) for entry in entries]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_list_in_portions_has_everything_once_and_in_order(service: Service, limit: int) -> None:
    found = everything(service, f"/datasets/{OPEN}/slices?split=unlabelled&", limit)
    assert sorted(one["digest"] for one in found) == sorted(service.digests)
    places = [(one["volume"], one["position"], one["digest"]) for one in found]
    assert places == sorted(places)
    assert {one["split"] for one in found} == {Split.UNLABELLED}
    assert "patient" not in found[0]


def test_lists_hold_what_the_caller_sees(service: Service) -> None:
    names = {
        person: [one["name"] for one in service.as_(person).ask("GET", "/datasets").json["items"]]
        for person in ("vera", STRANGER, ADMIN)
    }
    assert names == {"vera": [OPEN], STRANGER: [CLOSED], ADMIN: [CLOSED, OPEN]}
    assert [one["id"] for one in everything(service, "/runs?", 1)].count(service.run.id) == 1
    assert service.as_(STRANGER).ask("GET", "/runs").json["items"] == []
    assert service.as_(STRANGER).ask("GET", f"/runs?dataset={OPEN}").status == 404


def test_a_picture_is_sent_once_and_then_only_asked_for(service: Service) -> None:
    viewer = service.as_("vera")
    for path in (
        f"/datasets/{OPEN}/slices/{service.digests[0]}/picture",
        f"/datasets/{OPEN}/labels/{service.label}/picture",
    ):
        first = viewer.ask("GET", f"{path}?size=64")
        assert (first.status, first.headers["content-type"]) == (200, "image/png")
        assert first.headers["cache-control"] == "private, no-cache"
        tag = first.headers["etag"]
        again = viewer.ask("GET", f"{path}?size=64", If_None_Match=tag)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert viewer.ask("GET", f"{path}?size=32", If_None_Match=tag).status == 200
        assert service.as_(STRANGER).ask("GET", f"{path}?size=64", If_None_Match=tag).status == 404


@pytest.mark.parametrize(
    "query", ["size=15", "size=4097", "size=x", "level=1", "width=1", "level=1&width=0", "level=nan&width=1"]
)
def test_a_picture_that_cannot_be_is_refused(service: Service, query: str) -> None:
    answer = service.as_("vera").ask("GET", f"/datasets/{OPEN}/slices/{service.digests[0]}/picture?{query}")
    assert answer.status == 422


def test_a_label_is_found_in_its_own_data_set_alone(service: Service) -> None:
    admin = service.as_(ADMIN)
    assert admin.ask("GET", f"/datasets/{CLOSED}/labels/{service.label}/picture").status == 404
    assert admin.ask("GET", f"/datasets/{CLOSED}/slices/{service.digests[0]}/picture").status == 404
    assert admin.ask("GET", f"/datasets/{OPEN}/labels/{service.digests[0]}/picture").status == 404


def test_a_run_is_started_paused_resumed_and_cancelled(service: Service) -> None:
    lead = service.as_("lea")
    wanted = {"dataset": OPEN, "settings": ["network.weights=random"], "seed": 11, "priority": "high"}
    started = lead.ask("POST", "/runs", wanted)
    assert (started.status, started.json["status"]) == (202, "queued")
    run = started.json["id"]
    assert lead.ask("POST", "/runs", wanted).json["id"] == run
    for action, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        answer = lead.ask("POST", f"/runs/{run}/{action}", {} if action == "resume" else None)
        assert (answer.status, answer.json["status"]) == (202, status)
    acts = ("run.cancelled", "run.resumed", "run.paused", "run.started", "run.started")
    assert newest_acts(service, 5) == [("lea", act, run) for act in acts]
    assert lead.ask("GET", f"/runs/{run}").json["seed"] == 11


@pytest.mark.parametrize(
    "wanted",
    [
        {"dataset": OPEN, "recipe": "nonsense"},
        {"dataset": OPEN, "settings": ["no.such=1"]},
        {"dataset": OPEN, "settings": ["nonsense"]},
        {"dataset": OPEN, "seed": -1},
        {"dataset": OPEN, "seed": 2**63},
        {"dataset": OPEN, "workers": 0},
        {"dataset": CLOSED, "recipe": "semi-inf-net"},
        {},
        [],
        "run",
    ],
)
def test_a_run_that_cannot_be_is_refused_with_what_to_do(service: Service, wanted: Any) -> None:
    admin = service.as_(ADMIN)
    before = newest_acts(service, 1)
    answer = admin.ask("POST", "/runs", wanted)
    assert answer.status == 422
    assert answer.json["detail"]
    assert answer.json["hint"]
    assert newest_acts(service, 1) == before


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "WzFd",
        "W10",
        "bnVsbA",
        "ImEi",
        "[]",
        "é",
        "WyJhXHUwMDAwIiwgMSwgImIiXQ",
        "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsICJcdWQ4MDAiXQ",
        "WyJhIiwgMWU0MDAsICJiIl0",
        "A" * 999,
    ],
)
@pytest.mark.parametrize("path", [f"/datasets/{OPEN}/slices", "/runs"])
def test_what_is_no_cursor_is_refused(service: Service, path: str, cursor: str) -> None:
    assert service.as_("vera").ask("GET", f"{path}?cursor={quote(cursor)}").status == 422


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
    assert newest_acts(service, 3) == [
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


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_strings_are_strings(service: Service, value: str) -> None:
    admin = service.as_(ADMIN)
    part = quote(value, safe="%")
    for path in (
        f"/datasets/{part}",
        f"/datasets/{OPEN}/slices/{part}",
        f"/datasets/{OPEN}/slices/{part}/labels",
        f"/runs/{part}",
        f"/runs?dataset={part}",
        f"/accounts/{part}",
    ):
        assert admin.ask("GET", path).status in {400, 404, 405, 422}, path
    for path, content in (
        ("/accounts", {"name": value}),
        ("/runs", {"dataset": value}),
        ("/runs", {"dataset": OPEN, "settings": [value]}),
        ("/tokens", {"label": "x", "role": "viewer", "dataset": value}),
        (f"/runs/{service.run.id}/resume", {"priority": value}),
    ):
        assert admin.ask("POST", path, content).status in {400, 404, 422}, path
    assert post(service.url, "/session", account=value, password=value).status in {400, 401, 422}
    assert post(service.url, "/invitation", secret=value, account=value, password=PASSWORD).status in {
        400,
        401,
        422,
    }


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"account": ' + b"1" * 5000 + b"}", b"null"]
)
def test_a_broken_body_is_refused(service: Service, body: bytes) -> None:
    answer = ask(service.url + API + "/session", "POST", body=body, Content_Type="application/json")
    assert answer.status in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_too_long_is_not_read(service: Service) -> None:
    parts = urlsplit(service.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    connection.putrequest("POST", API + "/session")
    connection.putheader("Content-Length", str(1 << 40))
    connection.putheader("Content-Type", "application/json")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_every_answer_keeps_browsers_careful(service: Service) -> None:
    for path in ("/healthz", "/nowhere", API + "/me", API + "/openapi.json"):
        headers = ask(service.url + path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert len(headers["x-request-id"]) == 32
        assert "server" not in headers


def test_the_cookie_is_for_this_site_and_not_for_scripts(service: Service) -> None:
    cookie = post(service.url, "/session", account="vera", password=PASSWORD).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_metrics_follow_what_happens(service: Service) -> None:
    lead = service.as_("lea")
    before = figures(service)
    wanted = {"dataset": OPEN, "settings": ["network.weights=random"], "seed": 12}
    assert lead.ask("POST", "/runs", wanted).status == 202
    assert lead.ask("GET", "/runs/nonsense").status == 404
    after = figures(service)
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grown["maskloom_runs{'status': 'queued'}"] == 1
    assert grown["maskloom_queue_runs{}"] == 1
    asked = "maskloom_request_seconds_count{'method': '%s', 'route': '/api/v1/runs%s', 'status': '%d'}"
    assert grown[asked % ("POST", "", 202)] == 1
    assert grown[asked % ("GET", "/{run}", 404)] == 1
    assert after["maskloom_step_errors_total{}"] == 0


def test_metrics_have_the_gpus_that_the_driver_tells_of(service: Service) -> None:
    smi = which("nvidia-smi")
    told = subprocess.run([smi, "-L"], capture_output=True, text=True, check=True).stdout if smi else ""
    found = [name for name in figures(service) if name.startswith("maskloom_gpu_busy_ratio")]
    assert len(found) == len(told.splitlines())


def test_metrics_name_nothing_that_is_somebodys(service: Service) -> None:
    said = ask(f"{service.url}/metrics").text
    for name in (OPEN, CLOSED, service.run.id, *service.digests, "lea"):
        assert name not in said


def test_the_log_names_the_request_and_not_the_data(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "maskloom"):
        answer = service.as_("vera").ask("GET", f"/datasets/{OPEN}/slices/{service.digests[0]}")
        assert answer.status == 200
        # A request is told of once its answer is on its way, so the answer may be here first.
        wait_until(lambda: "{digest} 200 in" in caplog.text)
    assert OPEN not in caplog.text
    assert service.digests[0] not in caplog.text
