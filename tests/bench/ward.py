"""A review of a whole pool: 1600 slices of one size with masks, and a Label Studio that gets them.

Everything is real (the catalog, the bridge that Label Studio calls, Label Studio) but the masks: they are those of
COVID-SemiSeg's experts, blurred as a network's are, on slices of that data set that were made as large.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import httpx

from bench.bridge import Bridge
from bench.brush import SIZE, real_masks
from bench.data import REAL
from maskloom.pipelines import drive
from maskloom.pipelines.steps.ingest import Intake, ingest
from maskloom.platform.facts import Split
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.objects.sources import open_source
from maskloom.platform.run_facts import Run
from maskloom.services.bridge import sync
from maskloom.services.bridge.label_studio import config
from maskloom.services.bridge.label_studio.client import Client, Portion
from maskloom.services.bridge.label_studio.hand import LabelStudioHand
from maskloom.services.bridge.label_studio.images import Linked
from maskloom.services.bridge.label_studio.server import Access
from maskloom.services.bridge.label_studio.tool import LabelStudio
from support.label_studio import LabelStudioServer
from support.painted import Grey
from support.real_networks import drive_on, untrained_recipe

TASKS = 1600
_DATASET = "reviewed"
_EXPERTS = 5


class _Recording(Client):
    """Keeps the JSON of all tasks that it sends."""

    def __init__(self, access: Access) -> None:
        super().__init__(access.url, access.token)
        self.sent: list[bytes] = []

    def import_tasks(self, project: int, portion: Portion) -> None:
        self.sent.append(portion.body)
        super().import_tasks(project, portion)


class Ward:
    """Runs on that pool, and what is done with them and with Label Studio."""

    def __init__(self, bridge: Bridge, access: Access, client: _Recording) -> None:
        self.bridge = bridge
        self._access, self._client = access, client
        self._truth = _ingest(bridge)
        self._trainings: dict[str, int] = {}
        platform, urls = bridge.platform, bridge.served.images
        self._tool = LabelStudio(
            client,
            platform.objects,
            Linked(image_url=lambda _, digest: urls.url(digest, time.time())),
            locks=platform.settings.home / "locks",
            callbacks=bridge.callbacks,
        )

    def run(self, reader: str) -> Run:
        """A run whose review is open, with the whole pool for `reader`. Runs share their labels."""
        recipe = untrained_recipe(
            f"sampler.group_size={TASKS}", "review.mode=optional", f'review.readers=["{reader}"]'
        )
        run, _ = drive.create(self.bridge.platform, recipe, _DATASET, seed=1)
        drive_on(self.bridge.platform, run, self._truth, self._trainings, until=2)
        return run

    def push(self, run: Run) -> None:
        sync.push(self.bridge.platform, run, self._tool)

    def pull(self, run: Run, answers: int) -> None:
        """Takes in so many answers."""
        (taken,) = sync.pull(self.bridge.platform, run, self._tool).values()
        assert (taken.answers, taken.set_aside) == (answers, 0), taken

    def hand(self, run: Run) -> LabelStudioHand:
        """The hand of the run's reader."""
        (desk,) = self.bridge.platform.database.transaction(lambda c: sync.desks_of(c, run))
        return LabelStudioHand(self._client, desk)

    def sent(self) -> list[bytes]:
        """The JSON that a push sends, which is done for that."""
        self._client.sent.clear()
        self.push(self.run("first"))
        return self._client.sent.copy()

    def new_project(self) -> int:
        label_config = config.labelling(("infection",), 1)
        return int(self._client.create_project(title="imported", label_config=label_config)["id"])

    def send(self, project: int, bodies: Sequence[bytes]) -> None:
        """What somebody does who has the JSON ready: one request after the other."""
        token = f"Token {self._access.token.get_secret_value()}"
        counts = 0
        for body in bodies:
            answer = httpx.post(
                f"{self._access.url}/api/projects/{project}/import",
                headers={"Authorization": token, "Content-Type": "application/json"},
                content=body,
                timeout=300,
                trust_env=False,
            )
            counts += answer.json()["prediction_count"]
        assert counts == TASKS


@contextmanager
def warded(bridge: Bridge) -> Iterator[Ward]:
    server = LabelStudioServer()
    try:
        with closing(_Recording(server.access)) as client:
            yield Ward(bridge, server.access, client)
    finally:
        server.remove()


def _ingest(bridge: Bridge) -> dict[str, Grey]:
    """The pool and a few experts' slices; returns a mask of each slice by its digest."""
    masks = cycle(real_masks())
    truth: dict[str, Grey] = {}
    with TemporaryDirectory(prefix="maskloom-bench-") as folder:
        for split, count in ((Split.LABELLED, _EXPERTS), (Split.UNLABELLED, TASKS)):
            images, drawn = (Path(folder, split, sort) for sort in ("images", "masks"))
            images.mkdir(parents=True)
            drawn.mkdir()
            for file in sorted((REAL / split / "images").iterdir())[:count]:
                data, mask = _sized(file), next(masks)
                truth[sha256(data)] = mask
                (images / file.name).write_bytes(data)
                (drawn / f"{file.stem}.png").write_bytes(encode_png(mask))
            intake = Intake(
                images=open_source(str(images)),
                masks=open_source(str(drawn)) if split is Split.LABELLED else None,
                dataset=_DATASET,
                split=split,
            )
            assert ingest(bridge.platform, intake, lambda _done, _total: None).added == count
    return truth


def _sized(file: Path) -> bytes:
    """An image as a JPEG of SIZE x SIZE."""
    pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    return cv2.imencode(".jpg", cv2.resize(pixels, (SIZE, SIZE)))[1].tobytes()
