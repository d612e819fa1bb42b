"""The page of the model registry in a browser: what speaks for a network is seen, and a lead decides on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run
from support.painted import ingest_phantom
from support.registry import finished_run, registered
from support.servers import PostgresServer
from support.service import OPEN, Service, served
from support.visiting import faults, sign_in

TRAININGS = {"poor": 1, "good": 3, "best": 9}


@pytest.fixture(scope="module")
def begun(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


@pytest.fixture(scope="module")
def unnamed(begun: Service) -> Run:
    """A finished run whose network has no name, and was never measured: there were no test slices yet."""
    return finished_run(begun.platform, {}, seed=77)


@pytest.fixture(scope="module")
def service(begun: Service, unnamed: Run, tmp_path_factory: pytest.TempPathFactory) -> Service:
    truth = ingest_phantom(begun.platform, tmp_path_factory.mktemp("test"), Split.TEST, 8, 3)
    for name, trainings in TRAININGS.items():
        run = finished_run(begun.platform, truth, seed=trainings, trainings=trainings)
        registered(begun.platform, run, name)
    return begun


def test_a_lead_promotes_overrides_and_rolls_back(page: Page, service: Service) -> None:
    sign_in(page, service.url, "lea", "/models")
    expect(page.get_by_text(f"{OPEN} has no champion yet")).to_be_visible()
    champion = page.locator("#champion")
    page.get_by_role("button", name="Promote good").click()
    expect(champion).to_have_text("good")
    expect(page.locator("#model-best .plot.better")).to_be_visible()
    expect(page.locator("#model-poor .plot.worse")).to_be_visible()
    expect(page.get_by_role("button", name="Promote poor")).to_have_count(0)

    page.get_by_role("button", name="Promote best").click()
    expect(champion).to_have_text("best")
    page.locator("#model-poor summary").click()
    page.locator("#model-poor").get_by_label("Why it is to be the champion").fill(
        "It runs on <b>old</b> machines."
    )
    page.locator("#model-poor").get_by_role("button", name="Promote all the same").click()
    expect(champion).to_have_text("poor")
    expect(page.locator(".reigns .override blockquote")).to_have_text("It runs on <b>old</b> machines.")

    page.get_by_role("button", name="Roll back to best").click()
    expect(champion).to_have_text("best")
    expect(page.locator(".reigns li").first).to_contain_text("poor was given up")
    expect(page.locator(".reigns li")).to_have_count(4)


def test_a_viewer_sees_the_same_and_decides_nothing(page: Page, service: Service) -> None:
    assert (
        service.as_("lea")
        .ask("POST", f"/datasets/{OPEN}/models/good/promote", {"reason": "to begin with"})
        .status
        == 200
    )
    sign_in(page, service.url, "vera", "/models")
    expect(page.locator("#champion")).to_have_text("good")
    expect(page.locator(".reigns li").first).to_contain_text("good")
    assert page.get_by_role("button").all_text_contents() == ["Sign out"]
    assert page.locator("form").count() == 0
    assert faults(page) == []


def test_somebody_from_elsewhere_sees_nothing_of_it(page: Page, service: Service) -> None:
    sign_in(page, service.url, "sam", "/models")
    expect(page.get_by_text("has no champion yet")).to_be_visible()
    answer = page.goto(f"{service.url}/models?dataset={OPEN}")
    assert answer is not None
    assert answer.status == 404


def test_a_finished_runs_network_gets_a_name_on_its_page(page: Page, service: Service, unnamed: Run) -> None:
    sign_in(page, service.url, "lea", f"/runs/{unnamed.id}")
    page.get_by_label("Name of its network").fill("good")
    page.get_by_role("button", name="Register as candidate").click()
    expect(page.get_by_role("status")).to_contain_text("has a model 'good' already")
    page.get_by_label("Name of its network").fill("new")
    page.get_by_role("button", name="Register as candidate").click()
    page.get_by_role("link", name="new", exact=True).click()
    expect(page.locator("#model-new")).to_contain_text("was never measured")
