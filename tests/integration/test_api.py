"""The API in use: lists in portions, runs that are started and stopped, tokens, and those who try to get in without a right."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from maskloom.platform.facts import Split
from maskloom.services.api.paging import cursor_of
from support.asking import ask
from support.servers import PostgresServer
from support.service import ADMIN, API, CLOSED, OPEN, PASSWORD, STRANGER, Service, post, served

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
    assert [(act.who, act.action, act.target) for act in service.newest_acts(5)] == [
        ("lea", act, run) for act in acts
    ]
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
    before = service.newest_acts(1)
    answer = admin.ask("POST", "/runs", wanted)
    assert answer.status == 422
    assert answer.json["detail"]
    assert answer.json["hint"]
    assert service.newest_acts(1) == before


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


@pytest.mark.parametrize("moment", ["1156-12-13T19:53:06.323083+22:30", "3643-01-18T22:34:39-17:10"])
def test_a_moment_of_any_offset_is_a_moment(service: Service, moment: str) -> None:
    """PostgreSQL takes no offset of 16 hours or more."""
    admin, run = service.as_(ADMIN), f"/runs/{service.run.id}/steps"
    for path in (run, "/audit"):
        assert admin.ask("GET", f"{path}?since={quote(moment)}").status == 200
        assert admin.ask("GET", f"{path}?since=0001-01-01T00:00:00%2B01:00").status == 422
    for path in ("/runs", "/reviews", f"/datasets/{OPEN}/jobs"):
        assert admin.ask("GET", f"{path}?cursor={cursor_of((moment, 'a'))}").status == 200


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
