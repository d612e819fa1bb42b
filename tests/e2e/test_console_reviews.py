"""Reviews in a browser: how a lead hands masks out and closes, and what a reader and a viewer see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from maskloom.platform.catalog import runs
from support.handed_out import BEN, RHEA, HandedOut, hand_out, read_some
from support.servers import PostgresServer
from support.service import OPEN, Service, served
from support.visiting import faults, sign_in


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


@pytest.fixture(scope="module")
def handed(service: Service) -> HandedOut:
    handed = hand_out(service)
    read_some(handed)
    return handed


def test_a_lead_starts_a_run_with_readers_and_is_told_what_is_wrong_in_it(
    page: Page, service: Service
) -> None:
    sign_in(page, service.url, "lea", "/")
    page.get_by_role("link", name="New run").click()
    page.get_by_label("Seed").fill("77")
    page.get_by_text("Readers", exact=True).click()
    page.get_by_role("button", name=RHEA).click()
    budget = page.get_by_label("At most, in a round")
    budget.fill("soon")
    page.get_by_text("All values", exact=True).click()
    page.get_by_role("group", name="network").get_by_label("weights").select_option("random")
    assert faults(page) == []
    page.get_by_text("Readers", exact=True).click()
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("alert").filter(has_text="review.budget is 'soon'")).to_be_visible()
    expect(budget).to_be_focused()
    budget.fill("2")
    page.get_by_label("Seed").fill("-1")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_label("Seed")).to_be_focused()
    page.get_by_label("Seed").fill("77")
    page.get_by_role("button", name="Start the run").click()
    expect(page.locator(".state")).to_have_text("queued")
    run = page.url.rpartition("/")[2]
    (made,) = service.platform.database.transaction(lambda c: runs.find(c, run))
    review = made.recipe["review"]
    assert (review["mode"], review["readers"], review["budget"]) == ("required", [RHEA], 2)
    assert (made.seed, made.recipe["network"]["weights"]) == (77, "random")


def test_a_recipe_brings_its_own_values(page: Page, service: Service) -> None:
    sign_in(page, service.url, "lea", "/runs/new")
    page.get_by_role("radio", name="supervised").check()
    expect(page.locator("#readers")).to_have_count(0)
    page.get_by_role("radio", name="semi-inf-net The").check()
    page.get_by_text("All values", exact=True).click()
    expect(page.get_by_label("backbone")).to_have_value("res2net50d")


def test_a_lead_looks_at_a_review_by_keys_and_closes_it(
    page: Page, service: Service, handed: HandedOut
) -> None:
    sign_in(page, service.url, "lea", "/reviews")
    expect(page.locator(".agreement .others").first).to_have_text("0.50")
    assert faults(page) == []
    page.get_by_role("link", name="1 to decide").click()
    case = page.locator(".case")
    expect(case).to_have_count(1)
    expect(case).to_contain_text(f"{BEN} corrected in 2:00 min")
    page.get_by_role("link", name="all 5").click()
    expect(case).to_have_count(5)
    assert faults(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(case.nth(1)).to_be_focused()
    page.keyboard.press("o")
    expect(page.locator(".case .layer").first).to_have_css("opacity", "0")
    handed.reader(RHEA).skip(handed.rounds_slices()[3])
    handed.sync()
    expect(page.locator(".case", has_text=f"{RHEA} rejected")).to_have_count(2, timeout=10_000)
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".state")).to_have_text("closed")
    expect(page.get_by_role("button", name="Close")).to_have_count(0)


def test_a_reader_sees_their_own_and_nobody_elses(page: Page, service: Service, handed: HandedOut) -> None:
    other = hand_out(service, seed=6)
    sign_in(page, service.url, RHEA, "/reviews")
    expect(page.get_by_text("5 masks left")).to_be_visible()
    expect(page.get_by_text(str(other.reader(RHEA).folder))).to_be_visible()
    page.goto(f"{service.url}/reviews/{handed.review}")
    expect(page.locator(".case")).to_have_count(5)
    assert BEN not in page.locator("main").inner_text()
    assert "gold" not in page.locator("main").inner_text()
    assert page.get_by_role("button").all_text_contents() == ["Sign out"]


def test_a_viewer_is_refused(page: Page, service: Service, handed: HandedOut) -> None:
    sign_in(page, service.url, "vera", f"/reviews/{handed.review}")
    expect(page.get_by_text("is for its readers and for leads")).to_be_visible()
    expect(page.locator(".case")).to_have_count(0)
    for path in ("/runs/new", f"/runs/{handed.run.id}/readers"):
        answer = page.goto(service.url + path)
        assert answer is not None
        assert answer.status == 403
    assert page.goto(f"{service.url}/datasets/{OPEN}") is not None
