"""All that a team does with maskloom, in a browser, against a real `maskloom serve` whose runs compute next to nothing."""

from __future__ import annotations

import re
import signal
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.commands import Shell
from support.service import PASSWORD
from support.transfers import slices

WARD = "ward 7"
SLICES = {"labelled": 4, "unlabelled": 12, "test": 4}
PATIENCE_MS = 90_000


@pytest.fixture
def shell(maskloom_home: Path) -> Shell:
    return Shell(home=maskloom_home, tiny=True)


@pytest.fixture
def welcome(shell: Shell) -> Iterator[str]:
    """The link that the first start of the service prints. Runs hold on in their labelling, until `go` is in the home."""
    with shell.start("serve", "--listen", "127.0.0.1:0", "--runs", "3", TINY_HOLD="label") as process:
        assert process.stdout
        assert process.stderr
        # A full pipe would stop the service.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield [process.stdout.readline().strip() for _ in range(3)][-1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(shell.patience_s) == 0
        finally:
            process.kill()


def visitor(browser: Browser, link: str, account: str = "") -> Page:
    """Somebody new, who comes by a link and chooses a password."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(link)
    if account:
        page.get_by_label("Account").fill(account)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    return page


def visit(page: Page, title: str) -> None:
    """Go where the bar leads."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    page.wait_for_load_state()


def invite(page: Page, account: str, role: str) -> str:
    """Make an account with a role; the link for its owner."""
    visit(page, "Accounts")
    page.get_by_label("New account").fill(account)
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("heading", name=f"A link for {account}")).to_be_visible()
    link = page.locator("#secret").text_content()
    page.get_by_label(f"Role of {account} on {WARD}").select_option(role)
    expect(page.get_by_label(f"Role of {account} on {WARD}")).to_have_attribute("data-role", role)
    assert link
    return link


def upload(page: Page, split: str, patient: int) -> None:
    """Send slices of one patient, with masks where the split has them."""
    drawn = slices(SLICES[split], patient)
    page.locator(f"[value={split}]").check()
    for kind, place in (("images", 0), ("masks", 1)):
        if kind == "images" or split != "unlabelled":
            page.locator(f"#{kind}").set_input_files(
                [
                    {"name": name, "mimeType": "image/png", "buffer": pair[place]}
                    for name, pair in drawn.items()
                ]
            )
    page.get_by_role("button", name="Upload").click()
    masks = 0 if split == "unlabelled" else len(drawn)
    said = f"{len(drawn)} new slices, {masks} new masks"
    expect(page.locator(".job").first).to_contain_text(said, timeout=PATIENCE_MS)
    page.reload()


def start(page: Page, seed: int, reader: str = "") -> str:
    """Start a run; its id."""
    visit(page, "Runs")
    page.get_by_role("link", name="New run").click()
    page.get_by_label("Seed").fill(str(seed))
    if reader:
        page.get_by_text("Readers", exact=True).click()
        page.get_by_role("button", name=reader).click()
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile("/runs/[0-9a-f]{12}$"))
    return page.url.rpartition("/")[2]


def comes_to(page: Page, state: str) -> None:
    """Watch the page of a run, which nobody reloads, until it shows a state."""
    expect(page.locator("#now .state")).to_have_text(state, timeout=PATIENCE_MS)


def test_a_team_at_work(browser: Browser, shell: Shell, welcome: str, tmp_path: Path) -> None:
    page = visitor(browser, welcome, "ada")
    visit(page, "Data sets")
    page.get_by_text("New data set").click()
    page.get_by_label("Name").fill(WARD)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="Add slices")).to_be_visible()
    for patient, split in enumerate(SLICES, start=1):
        upload(page, split, patient)
    links = {
        account: invite(page, account, role) for account, role in (("vera", "viewer"), ("rhea", "reader"))
    }

    first = start(page, seed=1)
    expect(page.locator("[data-chart=loss] svg.main-svg").first).to_be_visible(timeout=PATIENCE_MS)
    comes_to(page, "running")
    page.get_by_role("button", name="Pause").click()
    comes_to(page, "paused")
    page.get_by_role("button", name="Resume").click()
    comes_to(page, "running")
    second, third = start(page, seed=2), start(page, seed=3, reader="rhea")
    (shell.home / "go").touch()
    comes_to(page, "waiting")
    visit(page, "Runs")
    for run in (first, second):
        expect(page.get_by_role("row").filter(has_text=run)).to_contain_text("finished", timeout=PATIENCE_MS)
        page.get_by_label(f"Compare run {run}").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Where they differ most")).to_be_visible()
    page.locator(".differences a").first.click()
    expect(page.locator(".history li")).not_to_have_count(0)
    expect(page.locator(".history")).to_contain_text("by network")

    rhea = visitor(browser, links["rhea"])
    visit(rhea, "Reviews")
    expect(rhea.get_by_text(re.compile(r"\d+ masks? left"))).to_be_visible()
    visit(page, "Reviews")
    page.get_by_role("link", name=re.compile(f"Round 1 of {third}")).click()
    expect(page.locator(".case").first).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".state").first).to_have_text("closed")

    page.goto(page.url.partition("/reviews")[0] + f"/runs/{first}")
    page.get_by_label("Name of its network").fill("early")
    page.get_by_role("button", name="Register as candidate").click()
    page.get_by_role("link", name="early", exact=True).click()
    page.get_by_role("button", name="Promote early").click()
    expect(page.locator("#champion")).to_have_text("early")

    page.get_by_role("link", name=first).first.click()
    page.get_by_role("button", name="Export as PNG").click()
    with page.expect_download(timeout=PATIENCE_MS) as coming:
        page.get_by_role("link", name="Download").click()
    coming.value.save_as(tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        masks = [name for name in archive.namelist() if "/masks/" in name and name.endswith(".png")]
    assert len(masks) == SLICES["labelled"] + SLICES["unlabelled"]

    vera = visitor(browser, links["vera"])
    vera.get_by_role("link", name=first).click()
    expect(vera.locator("#now .state")).to_have_text("finished")
    assert vera.get_by_role("button").all_text_contents() == ["Sign out"]
    here = vera.url.partition("/runs")[0]
    for path in (f"/datasets/{WARD}/intake", "/accounts", "/audit"):
        refused = vera.goto(here + path)
        assert refused is not None
        assert refused.status == 403
    page.goto(f"{here}/audit")
    expect(page.get_by_role("region", name="Entries, newest first")).to_contain_text("export.downloaded")
