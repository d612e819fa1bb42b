"""axe-core on every page of the console that links lead to, dark and light: no serious fault."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from support.servers import PostgresServer
from support.service import Service, served
from support.visiting import faults, sign_in
from support.watched import finished_runs

ENTRANCES = ("/sign-in", "/welcome", "/nowhere")


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        finished_runs(made)
        yield made


def signed_in(browser: Browser, service: Service, theme: str) -> BrowserContext:
    # axe comes into a page as a script of its text, which the policy of pages would refuse.
    context = browser.new_context(bypass_csp=True)
    context.add_init_script(f"localStorage.setItem('maskloom.theme', '{theme}')")
    page = context.new_page()
    sign_in(page, service.url, "ada")
    return context


def kind_of(link: str) -> str:
    """What two links have in common that lead to the same page on other things."""
    path, _, query = link.partition("?")
    path = re.sub(r"[0-9a-f]{64}|[0-9a-f]{12}|(?<=/datasets/)[^/]+", "*", path)
    return path + "?" + "&".join(sorted(part.partition("=")[0] for part in query.split("&") if part))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_page_has_a_serious_fault(service: Service, browser: Browser, theme: str) -> None:
    context = signed_in(browser, service, theme)
    page = context.pages[0]
    runs = [one["id"] for one in service.as_("ada").ask("GET", "/runs?status=finished").json["items"]]
    waiting = [f"/compare?a={runs[0]}&b={runs[1]}", f"/runs/{runs[0]}", "/", *ENTRANCES]
    seen = {kind_of(link) for link in waiting}
    found: list[str] = []
    while waiting:
        page.goto(service.url + waiting.pop(0))
        if page.locator("[data-chart]").count():
            expect(page.locator("svg.main-svg").first).to_be_visible()
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        found += faults(page)
        for link in page.locator("a[href^='/'], a[href^='?']").evaluate_all(
            "links => links.map(l => l.href)"
        ):
            inside = link.removeprefix(service.url)
            if kind_of(inside) not in seen and not inside.startswith(("/static", "/api")):
                seen.add(kind_of(inside))
                waiting.append(inside)
    context.close()
    assert {"/compare?", "/runs/*?", "/datasets/*/slices/*?"} <= {
        kind.partition("?")[0] + "?" for kind in seen
    }
    assert found == []
