"""The model registry: who becomes the champion of a data set, on what grounds, and how it is given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.pipelines.registry import promoting
from maskloom.pipelines.registry.comparing import contender, contenders
from maskloom.pipelines.registry.following import run_of
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import audit, registry
from maskloom.platform.errors import NothingToDo, PromotionRefused, SettingsError, UnknownName
from maskloom.platform.facts import Split
from maskloom.platform.model_facts import Grounds, Model, Stage
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from support.painted import DATASET, Grey, ingest_phantom
from support.registry import act, finished_run, promoted, registered

SLICES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A data set with test slices, whose lesions are `truth`, and three candidates: `poor`, `good` and `best`."""

    platform: Platform
    truth: dict[str, Grey]
    runs: dict[str, Run]
    folder: Path

    def promote(self, name: str, reason: str | None = None, who: str = "lea") -> None:
        promoted(self.platform, name, reason, who)

    def rollback(self, name: str) -> str:
        return self.platform.database.transaction(lambda c: promoting.rollback(c, DATASET, name, act())).name

    def archive(self, name: str, act: Act) -> Model:
        return self.platform.database.transaction(lambda c: promoting.archive(c, DATASET, name, act))

    @property
    def champion(self) -> str | None:
        found = self.platform.database.transaction(lambda c: registry.champion(c, DATASET))
        return found.name if found else None

    @property
    def stages(self) -> dict[str, Stage]:
        found = self.platform.database.transaction(lambda c: registry.of_dataset(c, DATASET))
        return {model.name: model.stage for model in found}


@pytest.fixture
def ward(catalog_url: str, maskloom_home: Path) -> Iterator[Ward]:
    with open_platform(Settings(home=maskloom_home, database_url=catalog_url)) as platform:
        ingest_phantom(platform, maskloom_home / "labelled", Split.LABELLED, 3, 1)
        truth = ingest_phantom(platform, maskloom_home / "test", Split.TEST, SLICES, 2)
        runs = {
            name: finished_run(platform, truth, seed=trainings, trainings=trainings)
            for name, trainings in {"poor": 1, "good": 2, "best": 9}.items()
        }
        for name, run in runs.items():
            assert registered(platform, run, name).stage is Stage.CANDIDATE
        yield Ward(platform=platform, truth=truth, runs=runs, folder=maskloom_home)


def test_a_better_network_becomes_the_champion_and_a_worse_one_does_not(ward: Ward) -> None:
    assert ward.champion is None
    ward.promote("good")
    with pytest.raises(PromotionRefused, match=r"poor has not been shown to be better .* on 8 test slices"):
        ward.promote("poor")
    assert ward.champion == "good"
    ward.promote("best")
    assert ward.stages == {"poor": "candidate", "good": "archived", "best": "champion"}
    first, better = ward.platform.database.transaction(lambda c: registry.promotions(c, DATASET))
    assert (first.evidence.grounds, first.evidence.before) == (Grounds.FIRST, None)
    evidence = better.evidence
    assert (evidence.grounds, evidence.before, better.who) == (Grounds.BETTER, "good", "lea")
    assert evidence.evaluation_before == first.evidence.evaluation != evidence.evaluation
    assert evidence.comparison is not None
    assert evidence.comparison["slices"] == SLICES
    dice = evidence.comparison["differences"]["dice"]
    assert 0 < dice["low"] <= dice["value"] <= dice["high"]
    assert 0 < dice["p"] < 0.05


def test_the_difference_is_that_of_the_two_evaluations(ward: Ward) -> None:
    ward.promote("best")
    found = {one.model.name: one for one in contenders(ward.platform, DATASET)}
    worse = found["poor"]
    assert worse.measurement
    assert worse.comparison
    assert found["best"].measurement
    for name, difference in worse.comparison.differences.items():
        own, champions = (
            one.estimates[name]["value"] for one in (worse.measurement, found["best"].measurement)
        )
        assert difference["value"] == pytest.approx(own - champions), name
    assert worse.comparison.differences["dice"]["high"] < 0
    assert found["best"].comparison is None, "nothing is compared with itself"
    assert found["best"].obstacle is None


def test_an_override_takes_a_reason_which_is_kept(ward: Ward) -> None:
    ward.promote("good")
    with pytest.raises(SettingsError, match="empty"):
        ward.promote("poor", "  ")
    ward.promote("poor", "it is smaller")
    assert ward.champion == "poor"
    evidence = ward.platform.database.transaction(lambda c: registry.promotions(c, DATASET))[-1].evidence
    assert (evidence.grounds, evidence.reason, evidence.before) == (Grounds.OVERRIDE, "it is smaller", "good")
    assert evidence.comparison is not None, "what spoke against it is kept as well"
    newest = ward.platform.database.transaction(lambda c: audit.newest(c, None, 1))[0].act
    assert newest.detail == {"grounds": "override", "before": "good"}


def test_networks_that_were_measured_on_other_slices_are_not_compared(ward: Ward) -> None:
    ward.promote("good")
    ward.truth.update(ingest_phantom(ward.platform, ward.folder / "more", Split.TEST, 2, 7))
    run = finished_run(ward.platform, ward.truth, seed=20, trainings=20)
    registered(ward.platform, run, "newest")
    with pytest.raises(PromotionRefused, match=r"not measured on the same slices \(10 and 8") as refused:
        ward.promote("newest")
    assert f"maskloom evaluate {ward.runs['good'].id} --dataset {DATASET}" in refused.value.hint
    objects = ward.platform.objects
    newest = ward.platform.database.transaction(lambda c: contender(c, objects, DATASET, "newest"))
    assert newest.comparison is None
    ward.promote("best")  # both were measured on the eight


def test_a_network_that_was_never_measured_needs_a_reason(catalog_url: str, maskloom_home: Path) -> None:
    with open_platform(Settings(home=maskloom_home, database_url=catalog_url)) as platform:
        ingest_phantom(platform, maskloom_home / "labelled", Split.LABELLED, 3, 1)
        run = finished_run(platform, {}, seed=1)
        registered(platform, run, "first")
        with pytest.raises(PromotionRefused, match="never measured") as refused:
            promoted(platform, "first")
        assert f"maskloom evaluate {run.id}" in refused.value.hint
        assert promoted(platform, "first", "there are no test slices yet").stage is Stage.CHAMPION


def test_rolling_back_goes_to_the_champions_before_one_by_one(ward: Ward) -> None:
    for name in ("poor", "good", "best"):
        ward.promote(name)
    assert ward.rollback("best") == "good"
    assert ward.rollback("best") == "good", "two who press at once roll back once"
    with pytest.raises(PromotionRefused, match="is good now"):
        ward.rollback("poor")
    assert ward.rollback("good") == "poor"
    with pytest.raises(PromotionRefused, match=r"no champion .* before poor"):
        ward.rollback("poor")
    ward.promote("best")
    assert ward.rollback("best") == "poor"
    assert list(ward.stages.values()).count(Stage.CHAMPION) == 1


def test_of_two_promotions_at_once_one_is_told_that_things_have_changed(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.promote("poor")
    both = threading.Barrier(2)
    lock = registry.lock

    def meet(connection: Connection, dataset: str) -> None:
        both.wait(30)  # each has made up its mind about the same champion
        lock(connection, dataset)

    monkeypatch.setattr(registry, "lock", meet)

    def told(name: str) -> str:
        try:
            ward.promote(name)
        except PromotionRefused as refused:
            return str(refused)
        return name

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(told, ("good", "best")))
    winner = ward.champion
    assert winner in said
    assert f"the champion of data set {DATASET!r} is {winner} now" in said
    promotions = ward.platform.database.transaction(lambda c: registry.promotions(c, DATASET))
    assert [one.model for one in promotions] == ["poor", winner]
    assert list(ward.stages.values()).count(Stage.CHAMPION) == 1


def test_archiving_puts_aside_and_registering_brings_back(ward: Ward) -> None:
    ward.promote("good")
    with pytest.raises(PromotionRefused, match="good is the champion"):
        ward.archive("good", act())
    assert ward.archive("poor", act()).stage is Stage.ARCHIVED
    assert registered(ward.platform, ward.runs["poor"], "poor").stage is Stage.CANDIDATE


def test_what_cannot_have_a_name_is_refused(ward: Ward) -> None:
    other = finished_run(ward.platform, ward.truth, seed=30)
    unfinished, _ = drive.create(ward.platform, drive.recipes.named("supervised"), DATASET, seed=31)
    with pytest.raises(SettingsError, match="has a model 'best' already"):
        registered(ward.platform, other, "best")
    with pytest.raises(SettingsError, match="registered as 'best'"):
        registered(ward.platform, ward.runs["best"], "better")
    with pytest.raises(NothingToDo, match="not finished"):
        registered(ward.platform, unfinished, "early")
    for name in ("", " ", "../x", "a b", "-x", "é", "x" * 65, "x\n"):
        with pytest.raises(SettingsError, match="no name"):
            registered(ward.platform, other, name)
    with pytest.raises(UnknownName, match="no model 'none'"):
        ward.promote("none")


def test_every_change_is_in_the_audit_trail(ward: Ward) -> None:
    before = ward.platform.database.transaction(audit.head).number
    ward.promote("good")
    ward.promote("good")  # changes nothing
    ward.promote("best")
    ward.rollback("best")
    ward.archive("poor", act("model.archived", "lena"))
    found = ward.platform.database.transaction(lambda c: list(audit.entries(c, after=before)))
    assert [entry.act.detail for entry in found] == [
        {"grounds": "first", "before": None},
        {"grounds": "better", "before": "good"},
        {"to": "good"},
        {},
    ]
    assert (found[-1].act.action, found[-1].act.who) == ("model.archived", "lena")


def test_who_follows_the_champion_has_its_run(ward: Ward) -> None:
    with pytest.raises(NothingToDo, match="no champion"):
        run_of(ward.platform, f"champion:{DATASET}")
    ward.promote("good")
    assert run_of(ward.platform, f"champion:{DATASET}") == ward.runs["good"]
    ward.promote("best")
    assert run_of(ward.platform, f"champion:{DATASET}") == ward.runs["best"]
    assert run_of(ward.platform, ward.runs["poor"].id[:8]) == ward.runs["poor"]
    with pytest.raises(UnknownName, match="no data set 'none'"):
        run_of(ward.platform, "champion:none")
