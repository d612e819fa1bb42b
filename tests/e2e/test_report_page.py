"""The report in a real browser: it loads whole, asks nobody for anything, and can be read and used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from maskloom.pipelines.report import write_report
from support.painted import painted_run
from support.servers import PostgresServer

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LOCAL = ("file:", "data:")
WCAG_AA = 4.5
"""Least contrast of text with its background by the Web Content Accessibility Guidelines, level AA."""

CONTRASTS = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.95) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent).join("").trim();
    if (!own || !element.checkVisibility() || element.tagName === "STYLE") continue;
    const style = getComputedStyle(element);
    const inSvg = element instanceof SVGElement;
    const [a, b] = [light(channels(inSvg ? style.fill : style.color)), light(behind(element))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), own.slice(0, 40)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def report(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    with painted_run(postgres_server) as painted:
        write_report(painted.platform, painted.run, path)
    return path


Opened = Callable[..., "Page"]


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    """Opens the report; fails when it asks the network for anything or complains on its console."""
    problems: list[str] = []
    pages: list[Page] = []

    def look(**options: object) -> Page:
        page = browser.new_page(**options)  # type: ignore[arg-type]
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url[:80]}"))
        page.on(
            "request",
            lambda request: problems.append(request.url) if not request.url.startswith(LOCAL) else None,
        )
        page.goto(report.as_uri())
        pages.append(page)
        return page

    yield look
    for page in pages:
        page.close()
    assert problems == []


def test_everything_loads_and_nothing_is_asked_of_others(opened: Opened) -> None:
    page = opened(viewport=DESK)

    expect(page.get_by_role("heading", level=1)).to_have_text("phantom")
    sizes = page.eval_on_selector_all("img", "images => images.map(i => [i.complete, i.naturalWidth])")
    assert len(sizes) >= 9
    assert all(complete and width > 0 for complete, width in sizes)
    charts = page.eval_on_selector_all(
        "svg.chart", "charts => charts.map(c => c.getBoundingClientRect().height)"
    )
    assert len(charts) == 7
    assert min(charts) > 100
    assert (
        page.eval_on_selector_all(".enlarge path", "paths => Math.max(...paths.map(p => p.getTotalLength()))")
        > 20
    )


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_word_stands_out_from_what_is_behind_it(opened: Opened, scheme: str) -> None:
    page = opened(viewport=DESK, color_scheme=scheme)

    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 150
    too_faint = [(round(contrast, 2), words) for contrast, words in contrasts if contrast < WCAG_AA]
    assert too_faint == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(value) for value in background.removeprefix("rgb(").rstrip(")").split(","))
    assert (brightness > 600) == (scheme == "light")


def test_a_picture_is_enlarged_and_closed_by_keyboard(opened: Opened) -> None:
    page = opened(viewport=DESK)
    picture = page.locator(".picture").nth(2)
    before = picture.locator("img").bounding_box()

    picture.locator("a.enlarge").focus()
    page.keyboard.press("Enter")

    after = picture.locator("img").bounding_box()
    assert before
    assert after
    assert after["width"] > 3 * before["width"]
    assert after["height"] <= DESK["height"]
    outline = picture.locator("svg").bounding_box()
    assert outline == after
    expect(picture.locator(".more").first).to_be_visible()
    picture.get_by_text("Close").focus()
    page.keyboard.press("Enter")
    closed = picture.locator("img").bounding_box()
    assert closed
    assert closed["width"] == before["width"]


def test_outlines_can_be_switched_off(opened: Opened) -> None:
    page = opened(viewport=DESK)
    outline = page.locator(".enlarge svg").first

    expect(outline).to_be_visible()
    page.get_by_label("Show outlines").uncheck()
    expect(outline).to_be_hidden()
    expect(page.locator(".enlarge img").first).to_be_visible()


def test_it_fits_a_phone(opened: Opened) -> None:
    page = opened(viewport=PHONE, has_touch=True, is_mobile=True)

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_it_prints_dark_on_white(opened: Opened) -> None:
    page = opened(viewport=DESK, color_scheme="dark")
    page.emulate_media(media="print")

    too_faint = [words for contrast, words in page.evaluate(CONTRASTS) if contrast < WCAG_AA]

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert too_faint == []


def test_links_lead_to_their_sections(opened: Opened) -> None:
    page = opened(viewport=DESK)

    names = page.locator("nav a").all_text_contents()
    assert names == [
        "Figures",
        "Gallery",
        "Training",
        "Rounds and gate",
        "Data",
        "Time",
        "Recipe",
        "Provenance",
    ]
    page.get_by_role("link", name="Provenance").click()
    expect(page.get_by_role("heading", name="Provenance")).to_be_in_viewport()
