"""Label Studio as a person sees it: log in, look at slices, and answer with mouse and keyboard."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

PATIENCE_MS = 60_000
_COLOURED = 40
"""By so much red and blue differ where a mask lies on a grey slice."""


class LabelStudioPage:
    """A page of a browser in which somebody works in Label Studio."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        page.set_default_timeout(PATIENCE_MS)

    def log_in(self, user: str, password: str) -> None:
        self.page.goto(f"{self._url}/user/login/")
        self.page.fill("input[name=email]", user)
        self.page.fill("input[name=password]", password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda address: "login" not in address)

    def begin(self, project: str) -> None:
        """Begin with the stream of a project, at `project` its address."""
        self.page.goto(f"{project}/data?labeling=1")
        self.page.get_by_role("button", name="Close modal").click()
        self.wait_for_slice()

    def wait_for_slice(self) -> None:
        """Wait until the slice itself is there: Label Studio would take an answer without."""
        expect(self.page.get_by_label("Submit current annotation")).to_be_enabled()
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('img')].some(i => i.alt === 'image' && i.complete && i.naturalWidth > 64)"
            " && document.querySelectorAll('canvas').length > 0"
        )
        self.page.wait_for_timeout(500)  # the editor fades masks in

    def overlay(self) -> NDArray[np.bool_]:
        """Which pixels of the shown slice lie under a mask, at the size on the screen."""
        shot = self.page.screenshot(clip=self._frame())
        picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR).astype(int)
        return np.asarray(abs(picture[:, :, 2] - picture[:, :, 0]) > _COLOURED)

    def draw(self, *points: tuple[float, float]) -> None:
        """A stroke of the brush along points, each (x, y) in shares of the slice, 0..1."""
        self.page.keyboard.press("1")
        frame = self._frame()
        places = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=10)
        self.page.mouse.up()
        self.page.wait_for_timeout(300)

    def delete_region(self, name: str) -> None:
        """Take one of the shown masks away, by its label."""
        self.page.locator(".lsf-outliner-item", has_text=name).first.click()
        self.page.keyboard.press("Backspace")

    def submit(self) -> None:
        self.page.get_by_label("Submit current annotation").click()
        self.page.wait_for_timeout(1500)

    def skip(self) -> None:
        self.page.get_by_label("skip-task").click()
        self.page.wait_for_timeout(1500)

    def _frame(self) -> dict[str, float]:
        box = self.page.locator("img[alt=image]").first.bounding_box()
        assert box
        return dict(box)


def agreement(overlay: NDArray[np.bool_], mask: NDArray[np.uint8]) -> float:
    """Intersection over union of what is seen and a mask, which is brought to the same size."""
    height, width = overlay.shape
    wanted = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return float((overlay & wanted).sum() / max((overlay | wanted).sum(), 1))
