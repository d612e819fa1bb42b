"""What the pictures show: phantoms, and a run whose first round waits for its readers, below a home of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.phantom import phantom_volume
from maskloom.services.bridge.label_studio import server
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.hand import LabelStudioHand
from maskloom.services.bridge.label_studio.server import Access
from maskloom.services.bridge.label_studio.tool import title_of
from maskloom.services.bridge.simulated import SimulatedReader
from maskloom.services.bridge.tool import Desk
from support.commands import Shell
from support.label_studio import LabelStudioReader, install_in
from support.servers import remove_home, short_folder

READERS = {"anna": 1.2, "ben": -1.2}
"""Who reads, and by how many pixels they draw lesions too large or too small."""
CHIEF = "chief"
_PIXELS = 512
_SOFT = 1.2
"""By so many pixels slices are smoothed: noise makes pictures large."""
_POSITIONS = 12
_LARGE = 0.015
"""Slices to be read show lesions of at least this share."""
_SETTINGS = (
    *(f"{stage}.size=128" for stage in ("prediction", "supervised", "fine_tune", "pretrain", "final")),
    "prediction.engine=torch",
    "supervised.steps=160",
    "gate.kind=area",
    f"review.readers={list(READERS)}".replace("'", '"'),
    "review.readings=2",
    f"review.adjudicator={CHIEF}",
    "review.gold=2",
)
_PATIENCE_S = 1800


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The run `run` in the Label Studio of `shell`'s home. `truth` has the true lesions by slice."""

    shell: Shell
    run: str
    truth: dict[str, NDArray[np.uint8]]

    @property
    def access(self) -> Access:
        """How a program gets into Label Studio."""
        found = server.running(self.shell.home)
        assert found is not None
        return found

    @property
    def password(self) -> str:
        """With what people log in, as `server.USERNAME`."""
        return (self.shell.home / "label-studio" / "password").read_text()

    def project(self, reader: str) -> str:
        """The address of a reader's project."""
        found = self._found(reader)
        assert found is not None
        return f"{self.access.url}/projects/{found['id']}"

    def reader(self, name: str) -> LabelStudioReader:
        """Somebody at a reader's desk who needs no browser."""
        return LabelStudioReader(self.access, self._desk(name))

    def read(self, reader: str, seed: int) -> None:
        """Have a reader answer what is left as a person of their habits would."""
        person = SimulatedReader(
            name=reader, truth=self.truth.__getitem__, bias=READERS[reader], seed=seed, overlooks=0.0
        )
        with closing(self._client()) as client:
            assert person.read_all(LabelStudioHand(client, self._desk(reader)))

    def wait_for_tasks(self, reader: str) -> None:
        """Wait until a reader finds tasks with masks in Label Studio."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self._has_tasks(reader):
            assert time.monotonic() < deadline, f"{reader} has nothing to read"
            time.sleep(1)

    def _has_tasks(self, reader: str) -> bool:
        found = self._found(reader)
        return found is not None and bool(found["model_version"])  # it is set when all tasks are there

    def _found(self, reader: str) -> dict[str, Any] | None:
        """A reader's project, if there is one."""
        with closing(self._client()) as client:
            return client.find_project(title_of(self._desk(reader)))

    def _client(self) -> Client:
        return Client(self.access.url, self.access.token)

    def _desk(self, reader: str) -> Desk:
        return Desk(run=self.run, reader=reader, classes=("infection",))


@contextmanager
def staged() -> Iterator[Scene]:
    """Make the scene, which takes some minutes of training, and clear it away."""
    home = short_folder()
    install_in(home)
    shell = Shell(home=home, patience_s=_PATIENCE_S)
    truth = _ingest(shell, home / "ct")
    assert shell("review", "up").code == 0
    options = [word for setting in _SETTINGS for word in ("--set", setting)]
    running = shell.start("run", "semi-inf-net-quick", "--dataset", "chest", "--review", "required", *options)
    try:
        scene = Scene(shell=shell, run=_created(shell), truth=truth)
        for reader in READERS:
            scene.wait_for_tasks(reader)
        yield scene
    finally:
        running.terminate()
        running.communicate()
        shell("review", "down")
        remove_home(home)


def _created(shell: Shell) -> str:
    """The id of the run, as soon as there is one."""
    while not (runs := shell("runs", "--json").json):
        time.sleep(1)
    return str(runs[0]["run"])


def _ingest(shell: Shell, folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Draw experts' patients and others, and ingest them; the true lesions of all slices by digest."""
    truth = {}
    for patient in range(1, 13):
        split = "labelled" if patient <= 6 else "unlabelled"
        for position, (image, mask) in enumerate(
            zip(*phantom_volume(patient, _POSITIONS, _PIXELS), strict=True)
        ):
            if split == "unlabelled" and (mask > 0).mean() < _LARGE:
                continue
            name = f"patient_{patient:02}/slice_{position + 1:02}.png"
            for kind, pixels in (("images", image), ("masks", mask)):
                target = folder / split / kind / name
                target.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(
                    str(target), pixels if kind == "masks" else cv2.GaussianBlur(pixels, (0, 0), _SOFT)
                )
            truth[sha256((folder / split / "images" / name).read_bytes())] = mask
    for split in ("labelled", "unlabelled"):
        masks = ["--masks", folder / split / "masks"] if split == "labelled" else []
        said = shell("ingest", folder / split / "images", *masks, "--dataset", "chest", "--split", split)
        assert said.code == 0, said.err
    return truth
