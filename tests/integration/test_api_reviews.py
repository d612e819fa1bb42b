"""Reviews through the API: how they stand, who sees what of them, and what leads do with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from maskloom.platform.catalog import audit
from maskloom.services.bridge import attendant
from maskloom.services.bridge.attendant import Attendant
from support.commands import wait_until
from support.handed_out import BEN, CHIEF, RHEA, HandedOut, hand_out, read_some
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, STRANGER, Service, figures, served


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


@pytest.fixture(scope="module")
def handed(service: Service) -> HandedOut:
    return hand_out(service)


@pytest.fixture(scope="module")
def read(handed: HandedOut) -> tuple[str, str, str, str]:
    return read_some(handed)


def items(service: Service, person: str, review: str, **query: object) -> list[dict[str, Any]]:
    """A review's slices, two at a time."""
    found, cursor = [], ""
    asked = "&".join(f"{key}={value}" for key, value in query.items())
    while True:
        path = f"/reviews/{review}/items?limit=2&cursor={cursor}&{asked}"
        page = service.as_(person).ask("GET", path).json
        found += page["items"]
        cursor = page["next"]
        if not cursor:
            return found


def test_a_review_is_counted_for_all_and_its_readers_for_leads(
    service: Service, handed: HandedOut, read: tuple[str, ...]
) -> None:
    (seen,) = service.as_("vera").ask("GET", f"/reviews?run={handed.run.id}").json["items"]
    assert seen["work"] is None
    kinds = ("slices", "accepted", "corrected", "rejected", "disputed", "undecided", "closed")
    assert [seen[kind] for kind in kinds] == [4, 1, 0, 1, 1, 1, None]
    (led,) = service.as_("lea").ask("GET", f"/reviews?run={handed.run.id}&open=true").json["items"]
    assert led == seen | {"work": {"assigned": 11, "answered": 6, "gold": 1, "median_s": 45.0}}
    assert service.as_(STRANGER).ask("GET", "/reviews").json["items"] == []
    assert service.as_("lea").ask("GET", f"/reviews?run={handed.run.id}&open=false").json["items"] == []


def test_leads_see_each_slice_with_all_that_came_of_it(
    service: Service, handed: HandedOut, read: tuple[str, ...]
) -> None:
    accepted, rejected, disputed, unread = read
    found = items(service, "lea", handed.review)
    assert len(found) == 5
    assert [one["doubt"] for one in found] == sorted((one["doubt"] for one in found), reverse=True)
    by_slice = {one["slice"]: one for one in found}
    states = {one: by_slice[one]["state"] for one in (accepted, rejected, disputed, unread)}
    assert states == {accepted: "accepted", rejected: "rejected", disputed: "disputed", unread: "unread"}
    assert [one["state"] for one in found].count("gold") == 1
    answers = {one["reader"]: (one["purpose"], one["kind"]) for one in by_slice[disputed]["answers"]}
    assert answers == {
        RHEA: ("reading", "corrected"),
        BEN: ("reading", "corrected"),
        CHIEF: ("adjudication", None),
    }
    assert by_slice[accepted]["decided_by"] == "staple"
    only = items(service, "lea", handed.review, state="disputed")
    assert [one["slice"] for one in only] == [disputed]


def test_a_reader_sees_what_is_theirs_and_nothing_of_others(
    service: Service, handed: HandedOut, read: tuple[str, ...]
) -> None:
    found = items(service, RHEA, handed.review)
    assert len(found) == 5
    assert {answer["reader"] for one in found for answer in one["answers"]} == {RHEA}
    assert {answer["purpose"] for one in found for answer in one["answers"]} == {"reading"}
    assert {one["verdict"] for one in found} == {None}
    assert [one["state"] for one in found].count("unread") == 2, "the gold one is one like others"
    assert {one["name"] for one in found} == {one["slice"][:8] for one in found}
    assert items(service, RHEA, handed.review, state="gold") == []
    (own,) = service.as_(RHEA).ask("GET", "/readers").json["items"]
    assert (own["reader"], own["given"], own["left"]) == (RHEA, 5, 2)
    assert own["place"] == str(handed.reader(RHEA).folder)


def test_masks_that_nothing_was_decided_by_are_for_leads_and_who_drew_them(
    service: Service, handed: HandedOut, read: tuple[str, ...]
) -> None:
    _, _, disputed, _ = read

    def drawn(person: str) -> dict[str, str]:
        path = f"/datasets/{OPEN}/slices/{disputed}/labels"
        found = service.as_(person).ask("GET", path).json["items"]
        return {one["reader"]: one["digest"] for one in found if one["reader"]}

    every = drawn("lea")
    assert set(every) == {RHEA, BEN}
    assert drawn(RHEA) == {RHEA: every[RHEA]}
    assert drawn("vera") == {}
    for person, label, status in (
        (RHEA, every[RHEA], 200),
        (RHEA, every[BEN], 404),
        ("vera", every[BEN], 404),
        ("lea", every[BEN], 200),
    ):
        answer = service.as_(person).ask("GET", f"/datasets/{OPEN}/labels/{label}/picture")
        assert answer.status == status


def test_leads_see_every_queue_and_how_well_readers_agree(
    service: Service, handed: HandedOut, read: tuple[str, ...]
) -> None:
    queues = service.as_("lea").ask("GET", f"/readers?run={handed.run.id}").json["items"]
    assert {one["reader"]: (one["left"], one["to_decide"]) for one in queues} == {
        RHEA: (2, 0),
        BEN: (2, 0),
        CHIEF: (1, 1),
    }
    assert service.as_("vera").ask("GET", "/readers").json["items"] == []
    summary = service.as_("lea").ask("GET", f"/runs/{handed.run.id}/review").json
    (pair,) = summary["pairs"]
    assert (pair["readers"], pair["agreement"]["slices"], pair["agreement"]["dice"]) == ([BEN, RHEA], 2, 0.5)
    (round_,) = summary["rounds"]
    assert (round_["gold"], round_["agreement"], round_["median_s"]) == (1, 0.5, 45.0)


def test_metrics_tell_what_waits_for_readers(
    service: Service, handed: HandedOut, read: tuple[str, ...]
) -> None:
    now = figures(service)
    assert now["maskloom_reviews_unread{}"] == 5
    assert 0 < now["maskloom_review_lag_seconds{}"] < 600


def test_a_lead_has_everything_carried_out_and_back(
    service: Service, handed: HandedOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendant, "EVERY_S", 0.1)
    readme = handed.reader(RHEA).folder / "READ ME.txt"
    readme.unlink()
    with Attendant(service.platform, lambda: [handed.run.id], handed.tool):
        wait_until(readme.exists)  # it carries everything out when it begins
        readme.unlink()
        assert service.as_("lea").ask("POST", f"/reviews/{handed.review}/sync").status == 202
        wait_until(readme.exists)


def test_a_lead_closes_a_review_once(service: Service) -> None:
    other = hand_out(service, seed=6)
    for _ in range(2):
        closed = service.as_("lea").ask("POST", f"/reviews/{other.review}/close")
        assert (closed.status, closed.json["closed"]) == (200, "a lead closed it")
    acts = service.platform.database.transaction(lambda c: audit.newest(c, None, 3))
    assert [one.act.action for one in acts].count("review.closed") == 1
    assert acts[0].act.target == other.run.id
    assert service.as_(ADMIN).ask("GET", "/reviews/" + "0" * 64).status == 404
    everything = [one["id"] for one in service.as_("vera").ask("GET", "/reviews?limit=1").json["items"]]
    assert everything == [other.review], "the newest first"
