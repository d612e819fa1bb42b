"""What the API tells of how runs went, and of where two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from maskloom.pipelines import drive
from maskloom.pipelines.history import labels_of_run
from maskloom.platform.facts import LabelKind
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.run_facts import Run
from support.painted import quick_recipe
from support.servers import PostgresServer
from support.service import OPEN, Service, served
from support.watched import TEST_SLICES, finished_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The service, and two finished runs on it."""

    service: Service
    first: Run
    second: Run

    def tell(self, path: str) -> dict[str, Any]:
        answer = self.service.as_("vera").ask("GET", path)
        assert answer.status == 200, answer.text
        return dict(answer.json)


@pytest.fixture(scope="module")
def watched(postgres_server: PostgresServer) -> Iterator[Watched]:
    with served(postgres_server) as service:
        first, second = finished_runs(service)
        yield Watched(service=service, first=first, second=second)


def test_rounds_are_told_in_portions(watched: Watched) -> None:
    base = f"/runs/{watched.first.id}/rounds"
    whole = watched.tell(base)["items"]
    assert [(one["number"], one["labels"]) for one in whole] == [(1, 4), (2, 3)]
    assert all(one["kept"] + one["refused"] == one["labels"] for one in whole)
    assert all(one["checkpoint"] and set(one["seconds"]) == {"label", "gate", "train"} for one in whole)
    part = watched.tell(f"{base}?limit=1")
    assert [part["items"], watched.tell(f"{base}?cursor={part['next']}")["items"]] == [whole[:1], whole[1:]]


def test_curves_go_on_from_training_to_training(watched: Watched) -> None:
    told = watched.tell(f"/runs/{watched.first.id}/curves?points=5")["items"]
    names = [one["stage"] for one in told]
    assert names in (
        ["supervised", "round 1", "round 2", "pretrain", "final"],
        ["supervised", "round 1", "round 2", "final"],
    )
    ends = [one["start"] + one["steps"] for one in told]
    assert [one["start"] for one in told] == [0, *ends[:-1]]
    assert all(len(one["points"]) == 5 and one["points"][0][0] > one["start"] for one in told)


def test_the_last_network_is_the_final_one_and_is_measured(watched: Watched) -> None:
    networks = watched.tell(f"/runs/{watched.first.id}/checkpoints")["items"]
    assert [one["final"] for one in networks] == [False] * (len(networks) - 1) + [True]
    (measured,) = watched.tell(f"/runs/{watched.first.id}/evaluations")["items"]
    assert (measured["checkpoint"], measured["slices"]) == (networks[-1]["digest"], TEST_SLICES)
    dice = measured["measures"]["dice"]
    assert 0 <= dice["low"] <= dice["value"] <= dice["high"] <= 1


def test_the_histogram_has_every_judged_label_on_its_side_of_the_limit(watched: Watched) -> None:
    rounds = watched.tell(f"/runs/{watched.first.id}/rounds")["items"]
    for _ in range(2):  # the second time from what is remembered
        told = watched.tell(f"/runs/{watched.first.id}/gates")
        assert sum(told["kept"]) == sum(one["kept"] for one in rounds)
        assert sum(told["refused"]) == sum(one["refused"] for one in rounds)
    assert (told["score"], told["limit"]) == ("uncertainty", 0.5)
    assert len(told["edges"]) == len(told["kept"]) + 1 == len(told["refused"]) + 1
    for kept, refused, low, high in zip(
        told["kept"], told["refused"], told["edges"], told["edges"][1:], strict=False
    ):
        assert not kept or low <= 0.5
        assert not refused or high >= 0.5


def test_differences_are_those_of_the_masks_and_the_largest_come_first(watched: Watched) -> None:
    told = watched.tell(f"/comparisons?a={watched.first.id}&b={watched.second.id}")
    assert (told["common"], told["compared"]) == (7, told["differing"])
    assert told["differing"] > 0
    masks = [
        {
            one.slice: decode_grey8(watched.service.platform.objects.get(one.mask)) >= 128
            for one in labels_of_run(watched.service.platform, run)
            if one.kind is LabelKind.PSEUDO
        }
        for run in (watched.first, watched.second)
    ]
    expected = {}
    for digest in masks[0]:
        a, b = masks[0][digest], masks[1][digest]
        if (a != b).any():
            expected[digest] = 1 - 2 * (a & b).sum() / (a.sum() + b.sum())
    found = {one["slice"]: one["difference"] for one in told["items"]}
    assert {digest: found[digest] for digest in expected} == pytest.approx(expected)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert watched.tell(f"/comparisons?a={watched.first.id}&b={watched.first.id}")["items"] == []


def test_runs_that_are_not_seen_are_not_compared(watched: Watched) -> None:
    admin = watched.service.as_("ada")
    answer = admin.ask("GET", f"/comparisons?a={watched.first.id}&b=nonsense")
    assert answer.status == 404
    assert admin.ask("GET", f"/comparisons?a={watched.first.id}").status == 422


def test_runs_are_listed_by_state_with_how_far_they_are(watched: Watched) -> None:
    drive.create(watched.service.platform, quick_recipe(), OPEN, seed=50)
    finished = watched.tell("/runs?status=finished")["items"]
    assert {one["id"] for one in finished} == {watched.first.id, watched.second.id}
    assert all((one["rounds_done"], one["rounds"]) == (2, 2) and one["dice"]["value"] > 0 for one in finished)
    interrupted = watched.tell("/runs?status=interrupted&limit=1")
    assert interrupted["items"][0]["rounds_done"] == 0
    assert watched.tell("/runs?status=failed")["items"] == []
