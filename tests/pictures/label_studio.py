"""Label Studio as its readers see it, one function a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, expect

from support.label_studio_page import LabelStudioPage

WINDOW = {"width": 1060, "height": 760}
_DIALOG = {"x": 160, "y": 205, "width": 720, "height": 330}
_SETTLE_MS = 1500
"""Until menus are closed, thumbnails are drawn and hints are gone."""


def log_in(browser: Browser, url: str, user: str, password: str) -> LabelStudioPage:
    """A window of somebody who is logged in."""
    page = LabelStudioPage(browser.new_page(viewport=WINDOW), url)
    page.log_in(user, password)
    return page


def projects(reader: LabelStudioPage, url: str) -> bytes:
    """The list of projects, wide enough for their whole names and without the empty rest of the window."""
    page = reader.page
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{url}/projects/")
    expect(page.get_by_text("maskloom").first).to_be_visible()
    page.wait_for_timeout(_SETTLE_MS)
    return page.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": 245})


def by_certainty(reader: LabelStudioPage, project: str) -> bytes:
    """The tasks of a project, those of which the network is least certain first."""
    page = reader.page
    page.goto(f"{project}/data")
    page.get_by_text("Columns").first.click()
    page.get_by_text("Prediction score").first.click()
    for column in ("slice", "width", "height"):
        page.get_by_text(column, exact=True).last.click()
    page.keyboard.press("Escape")
    page.get_by_text("Order by").first.click()
    page.get_by_text("Prediction score").last.click()
    page.mouse.click(WINDOW["width"] / 2, 10)
    page.wait_for_timeout(2 * _SETTLE_MS)
    return page.screenshot()


def instructions(reader: LabelStudioPage, project: str) -> bytes:
    """What a reader is told first."""
    reader.page.goto(f"{project}/data?labeling=1")
    expect(reader.page.get_by_role("button", name="Close modal")).to_be_visible()
    reader.page.wait_for_timeout(_SETTLE_MS)
    return reader.page.screenshot(clip=_DIALOG)


def view(reader: LabelStudioPage) -> bytes:
    """The slice that is open, whole and with its masks. Nothing is under the mouse."""
    reader.wait_for_slice()
    reader.page.keyboard.press("Shift+1")
    reader.page.mouse.move(WINDOW["width"] / 2, 5)
    reader.page.wait_for_timeout(_SETTLE_MS)
    assert reader.overlay().any(), "a mask is to be seen"
    return reader.page.screenshot()


def stroke(missing: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Points (x, y), in shares of the slice, along the largest part of what a mask (H, W) is missing."""
    _, parts, facts, _ = cv2.connectedComponentsWithStats(missing.astype(np.uint8))
    rows, columns = np.nonzero(parts == 1 + facts[1:, cv2.CC_STAT_AREA].argmax())
    line = np.linalg.svd(np.stack([columns - columns.mean(), rows - rows.mean()]), full_matrices=False)[0][
        :, 0
    ]
    along = (columns - columns.mean()) * line[0] + (rows - rows.mean()) * line[1]
    height, width = missing.shape
    places = [abs(along - np.quantile(along, share)).argmin() for share in (0.1, 0.35, 0.65, 0.9)]
    return [(columns[place] / width, rows[place] / height) for place in places]
