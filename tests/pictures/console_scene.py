"""What the console's pictures show: a team's service, two runs on phantoms, and one whose first round is being read.

Its networks are painted (`support.painted`), so that the scene is there in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from maskloom.pipelines import drive, recipes
from maskloom.pipelines.jobs import TrainJob, TrainResult
from maskloom.pipelines.registry import promoting
from maskloom.pipelines.steps.ingest import Intake, ingest
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.work import Waiting
from maskloom.platform.account_facts import Role
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import accounts, reviews
from maskloom.platform.facts import Split
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.imaging.phantom import phantom_volume
from maskloom.platform.objects.sources import open_source
from maskloom.platform.objects.store import ObjectStore
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from maskloom.services.access import passwords
from maskloom.services.api.serving import serving
from maskloom.services.bridge import sync
from maskloom.services.bridge.folder import Folder
from maskloom.services.bridge.simulated import SimulatedReader
from support.folder_reader import FolderReader
from support.painted import PaintedCrew, Quiet
from support.servers import remove_home, short_folder
from support.service import PASSWORD

DATASET = "chest"
PEOPLE = {"anna": Role.READER, "ben": Role.READER, "lea": Role.LEAD, "vera": Role.VIEWER}
ADMIN = "ada"
_BIAS = {"anna": 1.2, "ben": -1.2}
_PIXELS = 256
_SOFT = 1.0
"""By so many pixels slices are smoothed: noise makes pictures large."""
_POSITIONS = 12
_LARGE = 0.015
"""Slices without masks show lesions of at least this share."""
_ASIDE = 5
"""By so many pixels the worse of two runs is wrong."""
_PATIENTS = {Split.LABELLED: range(1, 4), Split.UNLABELLED: range(4, 12), Split.TEST: range(12, 15)}
_SETTINGS = ["sampler.group_size=16", "gate.uncertainty=0.6"]
_REVIEW = [
    "review.mode=required",
    'review.readers=["anna","ben"]',
    "review.readings=2",
    "review.adjudicator=chief",
    "review.budget=8",
]
_READ_BY_BEN = 5


@dataclass(frozen=True, kw_only=True)
class ConsoleScene:
    """The service at `url`; the finished runs `first` and `second`, and the `review` of a third."""

    url: str
    first: str
    second: str
    review: str


class _LearningCrew(PaintedCrew):
    """Its curves go on where those of the training before ended."""

    def train(self, job: TrainJob, work: object) -> TrainResult:
        result = super().train(job, work)
        before = 60 * (self._trainings(result.digest) - 1)
        noise = np.random.default_rng(before).normal(0, 0.012, len(result.curve))
        curve = tuple(
            (
                step,
                0.3 + 2.4 / (1 + (before + step) / 25) + 2 * wave,
                0.93 - 0.7 / (1 + (before + step) / 40) + wave,
            )
            for (step, _, _), wave in zip(result.curve, noise.tolist(), strict=True)
        )
        return replace(result, curve=curve, images_per_s=118 + 200 * abs(float(noise[0])))


@contextmanager
def console_scene() -> Iterator[ConsoleScene]:
    """Make the scene, and clear it away."""
    home = short_folder()
    try:
        with open_platform(Settings(home=home)) as platform:
            truth = _ingest(platform, home / "ct")
            platform.database.transaction(_people)
            aside = {digest: np.roll(mask, _ASIDE, axis=1) for digest, mask in truth.items()}
            second = _run(platform, aside, "sampler.group_size=64")
            first, third = _run(platform, truth), _run(platform, truth, *_REVIEW)
            review = _being_read(platform, third, truth)
            platform.database.transaction(lambda c: _models(c, platform.objects, first, second))
            with serving(platform) as url:
                yield ConsoleScene(url=url, first=first.id, second=second.id, review=review)
    finally:
        remove_home(home)


def _ingest(platform: Platform, folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Draw patients and ingest them; the true lesions of all slices by digest."""
    truth = {}
    for split, patients in _PATIENTS.items():
        for patient in patients:
            for position, pair in enumerate(zip(*phantom_volume(patient, _POSITIONS, _PIXELS), strict=True)):
                if split is Split.UNLABELLED and (pair[1] > 0).mean() < _LARGE:
                    continue
                image = encode_png(cv2.GaussianBlur(pair[0], (0, 0), _SOFT))
                truth[sha256(image)] = pair[1]
                name = f"patient_{patient:02}/slice_{position + 1:02}.png"
                for kind, data in (("images", image), ("masks", encode_png(pair[1]))):
                    target = folder / split / kind / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
        source, drawn = (open_source(str(folder / split / kind)) for kind in ("images", "masks"))
        masks = None if split is Split.UNLABELLED else drawn
        intake = Intake(images=source, masks=masks, dataset=DATASET, split=split)
        ingest(platform, intake, lambda _done, _total: None)
    return truth


def _people(connection: Connection) -> None:
    kept = passwords.hashed(PASSWORD)
    for name in (*PEOPLE, ADMIN):
        accounts.add(connection, name, admin=name == ADMIN)
        accounts.set_password(connection, name, kept)
    for name, role in PEOPLE.items():
        accounts.grant(connection, name, DATASET, role)


def _run(platform: Platform, truth: dict[str, NDArray[np.uint8]], *settings: str) -> Run:
    """A run that goes on until it is finished, or waits for its readers."""
    recipe = recipes.with_settings(recipes.named("semi-inf-net-quick"), [*_SETTINGS, *settings])
    run, _ = drive.create(platform, recipe, DATASET, seed=0)
    with suppress(Waiting), patch.object(drive, "Crew", lambda of, _workers: _LearningCrew(of, truth)):
        drive.drive(platform, run, workers=1, observer=Quiet(), stop=Stop())
    return run


def _being_read(platform: Platform, run: Run, truth: dict[str, NDArray[np.uint8]]) -> str:
    """Have anna read all of the run's review, and ben some of it; its id."""
    tool = Folder(platform.settings.home / "reviews", platform.objects)
    sync.push(platform, run, tool)
    for seed, (name, bias) in enumerate(_BIAS.items()):
        person = SimulatedReader(name=name, truth=truth.__getitem__, bias=bias, seed=seed, overlooks=0.0)
        reader = FolderReader(platform.settings.home / "reviews" / run.id / name)
        for slice_ in reader.slices()[: None if name == "anna" else _READ_BY_BEN]:
            drawn = person.draw(slice_)
            if (drawn == reader.shown(slice_)).all():
                reader.accept(slice_, minutes="0.2")
            else:
                reader.correct(slice_, drawn, minutes="0.7")
    sync.pull(platform, run, tool)
    sync.push(platform, run, tool)
    (state,) = platform.database.transaction(lambda c: reviews.of_run(c, run.id))
    return state.review.id


def _models(connection: Connection, objects: ObjectStore, candidate: Run, champion: Run) -> None:
    """Give the networks of two runs names, and make one of them the champion."""
    for name, run in (("small-groups", candidate), ("one-group", champion)):
        promoting.register(connection, run, name, _act("model.registered", name))
    promoting.promote(connection, objects, DATASET, "one-group", _act("model.promoted", "one-group"))


def _act(action: str, target: str) -> Act:
    return Act(who="lea", via="session", address="10.0.4.17", action=action, target=target, dataset=DATASET)
