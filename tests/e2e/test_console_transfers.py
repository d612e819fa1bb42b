"""Data in and out by the console: slices are uploaded, what is bad is seen, and a run's masks are taken home."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from maskloom.services.jobs.foreman import Foreman
from support.servers import PostgresServer
from support.service import ADMIN, OPEN, Service, served
from support.transfers import slices
from support.visiting import faults, sign_in

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with (
        served(postgres_server, import_sources="ward=s3://bucket/prefix") as made,
        pytest.MonkeyPatch.context() as environment,
    ):
        settings = made.platform.settings
        assert settings.database_url is not None
        # By which the processes that do jobs find everything.
        environment.setenv("MASKLOOM_HOME", str(settings.home))
        environment.setenv("MASKLOOM_DATABASE_URL", settings.database_url.get_secret_value())
        with Foreman(made.platform):
            yield made


def test_a_lead_uploads_slices_and_sees_what_was_set_aside(page: Page, service: Service) -> None:
    sign_in(page, service.url, "lea", f"/datasets/{OPEN}")
    page.get_by_role("link", name="Add slices").click()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Choose slices first")).to_be_visible()
    drawn = slices(2, patient=31)
    page.locator("[value=labelled]").check()
    bad = {"name": "holiday.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.locator("#images").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": image} for name, (image, _) in drawn.items()]
        + [bad]
    )
    page.locator("#masks").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": mask} for name, (_, mask) in drawn.items()]
    )
    expect(page.locator("output").first).to_contain_text("3 files")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("2 new slices, 2 new masks")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_text("What was set aside, and why").click()
    expect(page.locator(".reasons")).to_contain_text("holiday.png")
    assert faults(page) == []
    page.locator(".button.aside").click()
    expect(page.get_by_role("row").filter(has_text="holiday.png")).to_be_visible()
    assert faults(page) == []


def test_a_lead_takes_the_masks_of_a_run_home(page: Page, service: Service, tmp_path: Path) -> None:
    sign_in(page, service.url, "lea", f"/runs/{service.run.id}")
    page.get_by_role("button", name="Export as COCO").click()
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=PATIENCE_MS)
    assert faults(page) == []
    with page.expect_download() as coming:
        link.click()
    coming.value.save_as(tmp_path / "export.zip")
    name = f"maskloom-{service.run.id}-coco"
    assert coming.value.suggested_filename == f"{name}.zip"
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        assert json.loads(archive.read(f"{name}/dataset.json"))["dataset"] == OPEN


def test_a_viewer_finds_no_way_in_or_out(page: Page, service: Service) -> None:
    sign_in(page, service.url, "vera", f"/datasets/{OPEN}")
    expect(page.locator(".gallery")).to_be_visible()
    expect(page.get_by_role("link", name="Add slices")).to_have_count(0)
    for path in (f"/datasets/{OPEN}/intake", f"/datasets/{OPEN}/set-aside"):
        answer = page.goto(service.url + path)
        assert answer is not None
        assert answer.status == 403
    page.goto(f"{service.url}/runs/{service.run.id}")
    expect(page.get_by_text("Export")).to_have_count(0)


def test_an_admin_makes_a_data_set(page: Page, service: Service) -> None:
    sign_in(page, service.url, ADMIN, "/datasets")
    page.get_by_text("New data set").click()
    page.get_by_label("Name").fill(OPEN)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("there is a data set")
    page.get_by_label("Name").fill("lungs ü & co")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="Add slices")).to_be_visible()
    expect(page.get_by_role("link", name="lungs ü & co")).to_be_visible()
    assert faults(page) == []
