"""People on pages of the console: visitors on whose pages nothing goes wrong unseen, and how they sign in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from support.service import PASSWORD


@contextmanager
def visiting(browser: Browser, **options: Any) -> Iterator[Page]:
    """A new visitor, who says yes to every question.

    Fails where a script did, where something was asked of elsewhere, and where the policy of a page refused something.
    """
    context = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("request", lambda request: None if _is_here(request.url) else wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    context.close()
    assert wrong == []


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in {None, "127.0.0.1", "localhost"}


def sign_in(page: Page, url: str, account: str, at: str = "/") -> None:
    """Ask the service at `url` for the page `at`, and sign in on the way."""
    page.goto(url + at)
    page.get_by_label("Account").fill(account)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical in a page."""
    return [
        f"{page.url}: {fault['id']}: {node['html'][:200]}"
        for fault in Axe().run(page).response["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]
