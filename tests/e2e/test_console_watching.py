"""Watching runs in a browser: rounds and charts of one, two beside each other, and the list of all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from maskloom.platform.run_facts import Run
from support.servers import PostgresServer
from support.service import Service, served
from support.visiting import sign_in, visiting
from support.watched import finished_runs


@pytest.fixture(scope="module")
def watched(postgres_server: PostgresServer) -> Iterator[tuple[Service, Run, Run]]:
    with served(postgres_server) as service:
        yield service, *finished_runs(service)


@pytest.fixture
def page(browser: Browser, watched: tuple[Service, Run, Run]) -> Iterator[Page]:
    """Vera's page."""
    with visiting(browser, color_scheme="dark") as page:
        sign_in(page, watched[0].url, "vera")
        page.wait_for_load_state()  # its scripts are there
        yield page


def test_a_run_shows_its_rounds_and_charts(page: Page, watched: tuple[Service, Run, Run]) -> None:
    service, run, _ = watched
    page.goto(f"{service.url}/runs/{run.id}")
    for name in ("loss", "dice", "throughput", "gates"):
        expect(page.locator(f"[data-chart={name}] svg.main-svg").first).to_be_visible()
    rounds = page.locator("#strip").get_by_role("option")
    expect(rounds).to_have_count(2)
    expect(rounds.first).to_have_attribute("aria-label", re.compile("Round 1: labelled 4, kept"))
    rounds.last.focus()
    page.keyboard.press("ArrowLeft")
    expect(rounds.first).to_be_focused()
    expect(page.locator("#told")).to_contain_text("Round 1")
    page.locator("[data-figure=loss] summary").click()
    expect(page.locator("[data-table=loss]")).to_contain_text("supervised")
    page.locator("details.steps > summary").click()
    expect(page.locator(".story li").first).to_be_visible()


def test_two_runs_are_picked_and_compared(page: Page, watched: tuple[Service, Run, Run]) -> None:
    _, first, second = watched
    button = page.get_by_role("button", name="Compare")
    expect(button).to_be_disabled()
    for run in (first, second):
        page.get_by_label(f"Compare run {run.id}").check()
    with page.expect_response(lambda answer: "cursor=" in answer.url):
        pass  # the list is brought anew
    expect(page.get_by_label(f"Compare run {first.id}")).to_be_checked()
    button.click()
    expect(page.get_by_role("heading", name="Where they differ most")).to_be_visible()
    expect(page.locator("[data-chart=dice] svg.main-svg").first).to_be_visible()
    layer = page.locator(".layer.a").first
    assert layer.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    page.keyboard.press("a")
    expect(layer).to_have_css("opacity", "0")
    expect(page.locator(".layer.b").first).to_have_css("opacity", "0.65")
    page.keyboard.press("s")
    expect(layer).to_have_attribute("src", re.compile("tint=first&style=outline"))
    page.keyboard.press("ArrowRight")
    expect(page.locator(".differences a").first).to_be_focused()


def test_the_theme_is_remembered(page: Page) -> None:
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Theme").select_option("light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.get_by_role("link", name="Data sets").click()
    expect(page.get_by_label("Theme")).to_have_value("light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_runs_are_filtered_by_state(page: Page, watched: tuple[Service, Run, Run]) -> None:
    _, first, _ = watched
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("State").select_option("finished")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("link", name=first.id)).to_be_visible()
