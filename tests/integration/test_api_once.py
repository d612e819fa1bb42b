"""Requests that are sent again under their key: done once, and answered as the first time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from maskloom.platform.catalog import audit, idempotency, runs
from maskloom.services.api import once
from support.commands import wait_until
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, Service, served


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def wanted(seed: int) -> dict[str, Any]:
    return {"dataset": OPEN, "settings": ["network.weights=random"], "seed": seed}


def new_key() -> str:
    return str(uuid.uuid4())


def acts(service: Service) -> int:
    return service.platform.database.transaction(audit.head).number


def events(service: Service, run: str) -> list[str]:
    found = service.platform.database.transaction(lambda c: runs.events(c, run))
    return [kind for kind, _, _ in found]


def test_a_request_that_is_sent_again_is_done_once(service: Service) -> None:
    lead, key = service.as_("lea"), new_key()
    first = lead.ask("POST", "/runs", wanted(1), Idempotency_Key=key)
    assert first.status == 202
    run = first.json["id"]
    assert lead.ask("POST", f"/runs/{run}/pause").status == 202
    before = acts(service)
    again = lead.ask("POST", "/runs", wanted(1), Idempotency_Key=key)
    assert (again.status, again.json) == (202, first.json)
    quoted = lead.ask("POST", "/runs", wanted(1), Idempotency_Key=f'"{key}"')
    assert quoted.json == first.json
    assert acts(service) == before
    assert events(service, run) == ["queued", "paused"]


def test_a_key_is_for_one_request_of_one_account(service: Service) -> None:
    lead, key = service.as_("lea"), new_key()
    assert lead.ask("POST", f"/runs/{service.run.id}/pause", Idempotency_Key=key).status == 202
    for path, content in ((f"/runs/{service.run.id}/cancel", None), ("/runs", wanted(2))):
        answer = lead.ask("POST", path, content, Idempotency_Key=key)
        assert answer.status == 422
        assert "Idempotency-Key" in answer.json["detail"]
    other = service.as_(ADMIN).ask("POST", f"/runs/{service.run.id}/resume", Idempotency_Key=key)
    assert (other.status, other.json["status"]) == (202, "queued")


def test_who_has_lost_the_role_is_not_answered_from_what_was_kept(service: Service) -> None:
    admin, key = service.as_(ADMIN), new_key()
    path = f"/runs/{service.run.id}/pause"
    assert admin.ask("PUT", f"/accounts/sam/roles/{OPEN}", {"role": "lead"}).status == 200
    assert service.as_("sam").ask("POST", path, Idempotency_Key=key).status == 202
    assert admin.ask("DELETE", f"/accounts/sam/roles/{OPEN}").status == 204
    assert service.as_("sam").ask("POST", path, Idempotency_Key=key).status == 404


def test_what_was_refused_is_asked_anew(service: Service) -> None:
    lead, key = service.as_("lea"), new_key()
    for _ in range(2):
        assert lead.ask("POST", "/runs/000000000000/pause", Idempotency_Key=key).status == 404
    assert lead.ask("POST", f"/runs/{service.run.id}/pause", Idempotency_Key=key).status == 202


def test_an_answer_with_a_secret_is_given_once_and_kept_nowhere(service: Service) -> None:
    admin = service.as_(ADMIN)
    for path, content in (
        ("/tokens", {"label": "once", "role": "viewer"}),
        ("/accounts", {"name": "olga"}),
        ("/accounts/olga/invitation", None),
    ):
        key = new_key()
        first = admin.ask("POST", path, content, Idempotency_Key=key)
        assert first.status == 201
        before = acts(service)
        again = admin.ask("POST", path, content, Idempotency_Key=key)
        assert again.status == 409
        assert "secret" in again.json["detail"]
        assert "Retry-After" not in again.headers
        assert acts(service) == before
    kept = text("select count(*) from idempotency_keys where answer is null")
    assert service.platform.database.transaction(lambda c: c.scalar(kept)) == 3


def test_who_asks_while_the_first_is_at_work_is_told_to_wait(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, key = service.as_("lea"), new_key()
    began, may_end = threading.Event(), threading.Event()
    keep = idempotency.keep

    def keep_slowly(*arguments: Any) -> None:
        began.set()
        assert may_end.wait(60)
        keep(*arguments)

    monkeypatch.setattr(once.idempotency, "keep", keep_slowly)
    answers: list[int] = []
    ask = lambda: answers.append(lead.ask("POST", "/runs", wanted(3), Idempotency_Key=key).status)  # noqa: E731
    first = threading.Thread(target=ask)
    first.start()
    assert began.wait(60)
    meanwhile = lead.ask("POST", "/runs", wanted(3), Idempotency_Key=key)
    assert (meanwhile.status, meanwhile.headers["retry-after"]) == (409, "1")
    may_end.set()
    first.join()
    assert answers == [202]
    assert lead.ask("POST", "/runs", wanted(3), Idempotency_Key=key).status == 202


@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_dies_leaves_all_or_nothing(
    service: Service, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is cut right before what was done is kept, or right after: the request still is done once."""
    lead, key = service.as_("lea"), new_key()
    keep, cuts = idempotency.keep, []

    def keep_and_die(connection: Connection, *arguments: Any) -> None:
        if moment == "after":
            keep(connection, *arguments)
        if not cuts:
            cuts.append(connection.scalar(text("select pg_backend_pid()")))
            kill = text("select pg_terminate_backend(:pid)")
            with service.platform.database.connection() as other:
                other.execute(kill, {"pid": cuts[0]})
            wait_until(lambda: _gone(service, cuts[0]))
        if moment == "before":
            keep(connection, *arguments)

    monkeypatch.setattr(once.idempotency, "keep", keep_and_die)
    seed = {"before": 4, "after": 5}[moment]
    first = lead.ask("POST", "/runs", wanted(seed), Idempotency_Key=key)
    again = lead.ask("POST", "/runs", wanted(seed), Idempotency_Key=key)
    assert (first.status, again.status, again.json) == (202, 202, first.json)
    assert events(service, first.json["id"]) == ["queued"]


def _gone(service: Service, pid: int) -> bool:
    query = text("select count(*) from pg_stat_activity where pid = :pid")
    with service.platform.database.connection() as connection:
        return connection.scalar(query, {"pid": pid}) == 0


def test_a_key_is_forgotten_after_a_day(service: Service) -> None:
    lead, key = service.as_("lea"), new_key()
    path = f"/runs/{service.run.id}"
    assert lead.ask("POST", f"{path}/pause", Idempotency_Key=key).status == 202
    age = text("update idempotency_keys set at = at - interval '25 hours'")
    service.platform.database.transaction(lambda c: c.execute(age))
    answer = lead.ask("POST", f"{path}/resume", Idempotency_Key=key)
    assert (answer.status, answer.json["status"]) == (202, "queued")
    left = text("select count(*) from idempotency_keys")
    assert service.platform.database.transaction(lambda c: c.scalar(left)) == 1


@pytest.mark.parametrize("key", ["", "a" * 201, "two words", "é"])
def test_what_can_be_no_key_is_refused(service: Service, key: str) -> None:
    answer = service.as_("lea").ask("POST", f"/runs/{service.run.id}/pause", Idempotency_Key=key)
    assert answer.status == 422
