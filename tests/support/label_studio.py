"""A real Label Studio for tests, and a reader who works in it through its HTTP interface as the editor does."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from maskloom.services.bridge import brush
from maskloom.services.bridge.label_studio import server
from maskloom.services.bridge.label_studio.images import Linked
from maskloom.services.bridge.label_studio.install import REQUIREMENT
from maskloom.services.bridge.label_studio.server import Access
from maskloom.services.bridge.label_studio.tool import title_of
from maskloom.services.bridge.locks import alone
from maskloom.services.bridge.tool import Desk
from support.servers import short_folder

_INSTALL_S = 900.0
IMAGES = Linked(image_url=lambda desk, digest: f"http://127.0.0.1:9/{desk.reader}/{digest}?signed")
"""Images that nobody serves."""


def installation() -> Path:
    """A folder of this machine with `venv` and `template`, a home whose database is made: both take minutes, once.

    MASKLOOM_TEST_LABEL_STUDIO names another folder than the one in the user's cache.
    """
    cache = Path.home() / ".cache" / "maskloom-tests" / REQUIREMENT.replace("==", "-")
    folder = Path(os.environ.get("MASKLOOM_TEST_LABEL_STUDIO") or cache)
    with alone(folder / "lock", patience_s=_INSTALL_S):
        template = folder / "template"
        if not (template / "made").exists():
            server.down(template)
            shutil.rmtree(template, ignore_errors=True)
            server.up(template, venv=folder / "venv")
            server.down(template)
            (template / "label-studio" / "server.json").unlink()
            (template / "made").touch()
    return folder


def install_in(home: Path) -> None:
    """Lets `maskloom review up` find in `home` what it would install there."""
    shutil.copytree(installation() / "template", home, dirs_exist_ok=True)
    (home / "label-studio" / "venv").symlink_to(installation() / "venv")


class LabelStudioServer:
    """A Label Studio below a home of its own, as `maskloom review up` starts it."""

    def __init__(self) -> None:
        self._installation = installation()
        self.home = short_folder()
        shutil.copytree(self._installation / "template", self.home, dirs_exist_ok=True)
        self.start()

    def start(self) -> server.Started:
        """Starts it, or starts it again."""
        return server.up(self.home, venv=self._installation / "venv")

    @property
    def access(self) -> Access:
        found = server.running(self.home)
        assert found is not None
        return found

    def remove(self) -> None:
        """Stops it and removes all that it held."""
        server.down(self.home)
        shutil.rmtree(self.home)


class LabelStudioReader:
    """The reader of a desk."""

    def __init__(self, access: Access, desk: Desk) -> None:
        self._desk = desk
        self.http = httpx.Client(
            base_url=access.url,
            headers={"Authorization": f"Token {access.token.get_secret_value()}"},
            timeout=60,
            trust_env=False,
        )

    def project(self) -> dict[str, Any]:
        found = self._json("GET", "/api/projects/", params={"title": title_of(self._desk)})["results"]
        (project,) = [each for each in found if each["title"] == title_of(self._desk)]
        return project  # type: ignore[no-any-return]

    def tasks(self) -> dict[str, dict[str, Any]]:
        """All tasks with all they hold, by slice."""
        listed = self._json(
            "GET",
            "/api/tasks/",
            params={
                "project": self.project()["id"],
                "fields": "all",
                "page_size": 1000,
                "resolve_uri": "false",
            },
        )["tasks"]
        tasks = {task["data"]["slice"]: task for task in listed}
        assert len(tasks) == len(listed)
        return tasks

    def slices(self) -> list[str]:
        """What there is to read."""
        return list(self.tasks())

    def shown(self, slice_: str) -> NDArray[np.uint8]:
        """The mask that the editor shows."""
        (mask,) = self.alternatives(slice_) or [None]
        data = self.tasks()[slice_]["data"]
        return np.zeros((data["height"], data["width"]), np.uint8) if mask is None else mask

    def alternatives(self, slice_: str) -> list[NDArray[np.uint8]]:
        """The masks of the other readers, as an adjudicator sees them."""
        task = self.tasks()[slice_]
        (prediction,) = task["predictions"]
        size = task["data"]["width"], task["data"]["height"]
        return [brush.decode(region["value"]["rle"], *size) for region in prediction["result"]]

    def next(self) -> str | None:
        """The slice that the labelling stream serves next."""
        answer = self.http.get(f"/api/projects/{self.project()['id']}/next")
        return None if answer.status_code == 404 else str(answer.json()["data"]["slice"])

    def accept(self, slice_: str, lead_time: float = 4.5) -> None:
        """Submits what is shown."""
        (shown,) = self.tasks()[slice_]["predictions"]
        result = [region | {"origin": "prediction"} for region in shown["result"]]
        self._answer(slice_, result, lead_time=lead_time, parent_prediction=shown["id"])

    def correct(self, slice_: str, mask: NDArray[np.uint8]) -> None:
        """Draws another mask over what is shown, and submits it."""
        self._answer(slice_, self._drawn(mask), lead_time=31.0)

    def skip(self, slice_: str) -> None:
        self._answer(slice_, [], was_cancelled=True, lead_time=2.0)

    def draft(self, slice_: str, mask: NDArray[np.uint8]) -> None:
        """Begins to draw."""
        task = self.tasks()[slice_]["id"]
        self._json("POST", f"/api/tasks/{task}/drafts", json={"result": self._drawn(mask), "lead_time": 1.0})

    def edit(self, slice_: str, mask: NDArray[np.uint8]) -> None:
        """Changes what was submitted."""
        self._json("PATCH", f"/api/annotations/{self._last(slice_)}/", json={"result": self._drawn(mask)})

    def withdraw(self, slice_: str) -> None:
        """Deletes what was submitted or skipped."""
        self.http.delete(f"/api/annotations/{self._last(slice_)}/").raise_for_status()

    def submit_anything(self, slice_: str, result: Any) -> None:
        """Submits a result as it is: the server checks nothing."""
        self._answer(slice_, result)

    def close(self) -> None:
        self.http.close()

    def _last(self, slice_: str) -> int:
        return max(int(made["id"]) for made in self.tasks()[slice_]["annotations"])

    def _answer(self, slice_: str, result: Any, **fields: Any) -> None:
        task = self.tasks()[slice_]["id"]
        self._json("POST", f"/api/tasks/{task}/annotations/", json={"result": result} | fields)

    def _drawn(self, mask: NDArray[np.uint8]) -> list[dict[str, Any]]:
        height, width = mask.shape
        value = {"format": "rle", "rle": brush.encode(mask), "brushlabels": [self._desk.classes[0]]}
        size = {"original_width": width, "original_height": height, "image_rotation": 0}
        names = {"id": "drawn", "type": "brushlabels", "from_name": "mask", "to_name": "ct"}
        return [names | size | {"value": value, "origin": "prediction-changed"}]

    def _json(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return json.loads(answer.content)
