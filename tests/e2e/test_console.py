"""The console in a browser: how people come in, what they see of a run, and what they may change."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from maskloom.services.access.signing_in import invite_first_admin
from support.servers import PostgresServer
from support.service import OPEN, PASSWORD, Service, served
from support.visiting import sign_in


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def test_who_is_not_signed_in_is_shown_where_to_and_then_what_they_asked_for(
    page: Page, service: Service
) -> None:
    page.goto(f"{service.url}/runs/{service.run.id}")
    page.get_by_label("Account").fill("lea")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("no account has that name and password")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name=service.run.id)).to_be_visible()


@pytest.mark.parametrize(
    "elsewhere", ["https://example.org/", "//example.org/", "javascript:alert(1)", "/\\example.org"]
)
def test_signing_in_leads_nowhere_else(page: Page, service: Service, elsewhere: str) -> None:
    sign_in(page, service.url, "vera", f"/sign-in?next={elsewhere}")
    assert page.url == f"{service.url}/"


def test_a_lead_stops_a_run_and_goes_on_with_it(page: Page, service: Service) -> None:
    sign_in(page, service.url, "lea")
    page.get_by_role("link", name=service.run.id).click()
    state = page.locator(".state")
    page.get_by_role("button", name="Resume").click()
    expect(state).to_have_text("queued")
    page.get_by_role("button", name="Pause").click()
    expect(state).to_have_text("paused")
    page.get_by_role("button", name="Cancel").click()
    expect(state).to_have_text("cancelled")


def test_a_button_that_is_pressed_before_its_script_is_there_waits_for_it(
    page: Page, service: Service
) -> None:
    held: list[Route] = []
    asked: list[str] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/static/htmx.js", hold, times=1)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{service.url}/sign-in", wait_until="commit")
    page.get_by_label("Account").fill("lea")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click(no_wait_after=True)
    held[0].continue_()
    expect(page.get_by_role("link", name=service.run.id)).to_be_visible()
    assert not [url for url in asked if "password" in url], "the browser must not send the form itself"


def test_who_gets_a_page_without_htmx_signs_in_all_the_same(page: Page, service: Service) -> None:
    page.route("**/static/htmx.js", lambda route: route.abort())
    sign_in(page, service.url, "lea")
    expect(page.get_by_role("link", name=service.run.id)).to_be_visible()


def test_a_viewer_sees_a_run_and_can_change_nothing(page: Page, service: Service) -> None:
    sign_in(page, service.url, "vera")
    page.get_by_role("link", name=service.run.id).click()
    expect(page.get_by_text("expert masks")).to_be_visible()
    assert page.get_by_role("button").all_text_contents() == ["Sign out"]


def test_somebody_from_elsewhere_sees_nothing_of_it(page: Page, service: Service) -> None:
    sign_in(page, service.url, "sam")
    expect(page.get_by_text("No run yet on a data set that you see")).to_be_visible()
    answer = page.goto(f"{service.url}/runs/{service.run.id}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text("There is no run")).to_be_visible()


def test_a_gallery_leads_to_a_slice_and_its_masks(page: Page, service: Service) -> None:
    sign_in(page, service.url, "vera", "/datasets")
    page.get_by_role("link", name=OPEN).click()
    expect(page.locator(".gallery li")).to_have_count(3)
    expect(page.locator(".gallery .layer")).to_have_count(3)
    page.locator(".gallery a").nth(1).click()
    layer, picture = page.locator("#mask"), page.locator("#slice")
    assert drawn(picture)
    assert drawn(layer)
    page.keyboard.press("o")
    expect(layer).to_have_css("opacity", "0")
    page.keyboard.press("o")
    expect(layer).to_have_css("opacity", "0.6")
    page.keyboard.press("+")
    expect(layer).to_have_css("opacity", "0.7")
    page.keyboard.press("s")
    expect(layer).to_have_attribute("src", re.compile("style=outline"))
    assert drawn(layer)
    page.get_by_label("Level").fill("100")
    page.get_by_label("Width").fill("50")
    page.get_by_label("Width").press("Tab")
    expect(picture).to_have_attribute("src", re.compile("level=100&width=50"))
    assert drawn(picture)
    page.locator("h1").click()
    here = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url != here)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(here)


def drawn(image: Locator) -> bool:
    """Whether the picture came and is one."""
    return bool(image.evaluate("image => image.decode().then(() => image.naturalWidth > 0)"))


def test_signing_out_ends_it(page: Page, service: Service) -> None:
    sign_in(page, service.url, "vera")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"{service.url}/datasets")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_invitation_leads_to_a_session(page: Page, service: Service) -> None:
    assert invite_first_admin(service.platform) is None, "there is one"
    secret = service.as_("ada").ask("POST", "/accounts", {"name": "ines"}).json["secret"]
    page.goto(f"{service.url}/welcome#{secret}")
    assert secret not in page.url, "the address bar does not keep it"
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("ines")).to_be_visible()
    expect(page.get_by_text("No run yet on a data set that you see")).to_be_visible()
