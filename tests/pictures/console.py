"""The console as a team sees it, one function a picture; in the dark of a reading room."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Browser, Page, expect

from pictures.console_scene import ADMIN, DATASET, ConsoleScene
from support.service import PASSWORD

_WIDTH = 1160
_SETTLE_MS = 1500
"""Until charts and pictures are drawn."""


def photographs(browser: Browser, scene: ConsoleScene) -> Iterator[tuple[str, bytes]]:
    """Names and pictures (PNG)."""
    lead, admin = _sign_in(browser, scene, "lea"), _sign_in(browser, scene, ADMIN)
    yield "console-runs", _seen(lead, scene, "/", 520)
    yield "console-run", _seen(lead, scene, f"/runs/{scene.first}", 1010)
    yield "console-intake", _seen(lead, scene, f"/datasets/{DATASET}/intake", 760)
    yield "console-gallery", _seen(lead, scene, f"/datasets/{DATASET}?split=unlabelled", 520)
    yield "console-new-run", _seen(lead, scene, "/runs/new", 800)
    lead.goto(f"{scene.url}/compare?a={scene.first}&b={scene.second}")
    yield "console-compare", _below(lead, "Where they differ most", 470)
    yield "console-reviews", _seen(lead, scene, "/reviews", 800)
    lead.goto(f"{scene.url}/reviews/{scene.review}")
    yield "console-review", _below(lead, "Slices", 700)
    yield "console-models", _seen(lead, scene, "/models", 860)
    yield "console-accounts", _seen(admin, scene, "/accounts", 640)
    yield "console-audit", _seen(admin, scene, "/audit", 760)


def _sign_in(browser: Browser, scene: ConsoleScene, account: str) -> Page:
    page = browser.new_page(viewport={"width": _WIDTH, "height": 800}, color_scheme="dark")
    page.goto(f"{scene.url}/sign-in")
    page.get_by_label("Account").fill(account)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


def _seen(page: Page, scene: ConsoleScene, path: str, height: int) -> bytes:
    """The upper part of a page."""
    page.set_viewport_size({"width": _WIDTH, "height": height})
    page.goto(scene.url + path)
    page.wait_for_timeout(_SETTLE_MS)
    return page.screenshot()


def _below(page: Page, heading: str, height: int) -> bytes:
    """The part of the open page that begins with a heading."""
    page.set_viewport_size({"width": _WIDTH, "height": height})
    page.get_by_role("heading", name=heading, exact=True).evaluate("one => one.scrollIntoView()")
    page.wait_for_timeout(_SETTLE_MS)
    return page.screenshot()
