"""Accounts, tokens and the audit trail in a browser, and signing in with a provider that is another site."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.asking import ask
from support.oidc_provider import OidcProvider, oidc_provider
from support.servers import PostgresServer, free_ports
from support.service import ADMIN, API, OPEN, PASSWORD, Service, served
from support.visiting import faults, sign_in, visiting


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with oidc_provider() as started:
        yield started


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer, provider: OidcProvider) -> Iterator[Service]:
    port = free_ports(1)[0]
    with served(postgres_server, port, **provider.settings(f"http://127.0.0.1:{port}")) as made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new visitor, who may copy."""
    with visiting(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        yield page


def test_an_admin_lets_somebody_in_who_then_makes_a_token(
    page: Page, browser: Browser, service: Service
) -> None:
    sign_in(page, service.url, ADMIN, "/accounts")
    page.get_by_label("New account").fill("nora")
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("heading", name="A link for nora")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{service.url}/welcome#")
    page.get_by_label(f"Role of nora on {OPEN}").select_option("reader")
    expect(page.get_by_label(f"Role of nora on {OPEN}")).to_have_attribute("data-role", "reader")
    assert faults(page) == []
    page.reload()
    assert link not in page.content(), "it is shown once"

    theirs = browser.new_context().new_page()
    theirs.on("dialog", lambda dialog: dialog.accept())
    theirs.goto(link)
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.get_by_role("button", name="Begin").click()
    theirs.get_by_role("link", name="nora").click()
    expect(theirs.get_by_label("Your roles")).to_contain_text("reader")
    expect(theirs.get_by_role("link", name="Accounts")).to_have_count(0)
    theirs.get_by_label("For what").fill("figures")
    theirs.get_by_label("On", exact=True).select_option(OPEN)
    theirs.get_by_role("button", name="Make a token").click()
    expect(theirs.locator("#secret")).to_contain_text("mlm_")
    text = theirs.locator("#secret").text_content()
    bearer = {"Authorization": f"Bearer {text}"}
    assert ask(f"{service.url}{API}/datasets/{OPEN}", **bearer).json["role"] == "viewer"
    assert faults(theirs) == []
    theirs.get_by_role("button", name="Revoke figures").click()
    expect(theirs.get_by_text("You have no tokens.")).to_be_visible()
    assert ask(f"{service.url}{API}/me", **bearer).status == 401
    assert theirs.goto(f"{service.url}/accounts").status == 403  # type: ignore[union-attr]

    page.get_by_role("switch", name="nora is let in").click()
    expect(page.locator("tr.out")).to_contain_text("nora")
    theirs.goto(service.url)
    expect(theirs.get_by_role("heading", name="Sign in")).to_be_visible()
    theirs.context.close()


def test_what_is_refused_is_shown_and_the_page_is_as_before(page: Page, service: Service) -> None:
    sign_in(page, service.url, ADMIN, "/accounts")
    page.get_by_label("New account").fill(ADMIN)
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("status")).to_contain_text("there is an account 'ada' already")
    expect(page.locator("#once")).to_be_hidden()


def test_somebody_changes_their_password_and_ends_their_other_sessions(page: Page, service: Service) -> None:
    sign_in(page, service.url, "rhea", "/you")
    service.sign_in("rhea")
    page.reload()
    page.get_by_role("button", name="End all others").click()
    expect(page.get_by_role("button", name="End all others")).to_have_count(0)
    page.get_by_label("Old password").fill("not the old one")
    page.get_by_label("New password").fill("another horse battery")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("status")).to_contain_text("that is not the password you have")
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
    service.sign_in("rhea", "another horse battery")


def test_an_admin_looks_through_the_trail_verifies_it_and_takes_it_out(
    page: Page, service: Service, tmp_path: Path
) -> None:
    service.as_("lea").ask("POST", f"/runs/{service.run.id}/resume", {})
    sign_in(page, service.url, ADMIN, "/audit")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_text("verified up to entry")).to_be_visible()
    page.get_by_label("Who").fill("lea")
    page.get_by_label("Action").fill("run")
    page.get_by_label("Data set").select_option(OPEN)
    page.get_by_role("button", name="Show").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("run.resumed")
    assert faults(page) == []
    with page.expect_download() as started:
        page.get_by_role("link", name="Download as CSV").click()
    started.value.save_as(tmp_path / "audit.csv")
    table = list(csv.DictReader(io.StringIO((tmp_path / "audit.csv").read_text())))
    assert [(row["who"], row["action"]) for row in table] == [("lea", "run.resumed")]
    page.get_by_label("From", exact=True).fill("2001-01-01")
    page.get_by_label("To", exact=True).fill("2001-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No such entry.")).to_be_visible()


def test_somebody_signs_in_with_the_provider_and_is_where_they_wanted_to_be(
    page: Page, service: Service, provider: OidcProvider
) -> None:
    page.goto(f"{service.url}/you")
    page.get_by_role("link", name="Sign in with localhost").click()
    assert page.url.startswith(provider.issuer), "another site"
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="hanna")).to_be_visible()
    assert page.url == f"{service.url}/you"
    cookies = {cookie["name"]: cookie["sameSite"] for cookie in page.context.cookies(service.url)}
    assert cookies == {"maskloom_session": "Strict"}
    expect(page.get_by_text("you sign in with localhost")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_who_the_provider_does_not_vouch_for_is_told(
    page: Page, service: Service, provider: OidcProvider
) -> None:
    page.goto(f"{service.url}/sign-in")
    page.get_by_role("link", name="Sign in with localhost").click()
    provider.trick = "wrong nonce"
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("The provider localhost did not sign you in")).to_be_visible()
    provider.trick = ""
    page.goto(service.url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
