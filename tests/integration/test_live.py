"""Single slices by the newest network of a run, while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from maskloom.models.inference import Predictor
from maskloom.pipelines import drive
from maskloom.pipelines.live import LivePredictor
from maskloom.pipelines.recipes import Recipe
from maskloom.pipelines.workers.labeller import scores_of, soft_masks
from maskloom.pipelines.workers.place import stacked
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.errors import ObjectMissing
from maskloom.platform.facts import Split
from maskloom.platform.imaging.formats import decode_grey8, resize
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from support.painted import DATASET, Grey, ingest_phantom
from support.real_networks import drive_on, network, untrained_recipe

COUNTS = {Split.LABELLED: 5, Split.UNLABELLED: 8, Split.TEST: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    platform: Platform
    recipe: Recipe
    run: Run
    digests: dict[Split, list[str]]
    truth: dict[str, Grey]
    trainings: dict[str, int]

    def drive(self, until: int | None = None) -> None:
        drive_on(self.platform, self.run, self.truth, self.trainings, until)

    def expected(self, digest: str, trainings: int) -> tuple[Grey, float]:
        """What the network after so many trainings makes of a slice: its mask, and its uncertainty."""
        predictor = Predictor(network(self.recipe.network, trainings), self.recipe.prediction)
        image = decode_grey8(self.platform.objects.get(digest))
        maps = predictor.probabilities(stacked([resize(image, 64, 64)]))
        (soft,) = soft_masks(maps, [image.shape], stretch=False)
        return np.where(soft >= 128, np.uint8(255), np.uint8(0)), scores_of([soft], maps)[0]["uncertainty"]


@pytest.fixture
def setting(maskloom_home: Path, catalog_url: str) -> Iterator[Setting]:
    with open_platform(Settings(home=maskloom_home, database_url=catalog_url)) as platform:
        truth, digests = {}, {}
        for seed, (split, count) in enumerate(COUNTS.items()):
            made = ingest_phantom(platform, maskloom_home / split, split, count, seed)
            truth |= made
            digests[split] = list(made)
        recipe = untrained_recipe()
        run, _ = drive.create(platform, recipe, DATASET, seed=1)
        yield Setting(platform=platform, recipe=recipe, run=run, digests=digests, truth=truth, trainings={})


def test_it_follows_the_run(setting: Setting) -> None:
    live = LivePredictor(setting.platform, setting.run, threads=1, look_every_s=0.0)
    digest = setting.digests[Split.UNLABELLED][0]
    assert live.newest() is None
    assert live.predict(digest) is None
    for trainings in (1, 2, 3, 5):  # the experts' masks; rounds 1 and 2; two more on other masks
        setting.drive(None if trainings == 5 else trainings)
        newest = live.newest()
        assert newest is not None
        assert newest.version == f"{setting.run.id}/{trainings - 1}"
        assert setting.trainings[newest.checkpoint] == trainings
        found = live.predict(digest)
        assert found is not None
        assert found.version == newest.version
        mask, uncertainty = setting.expected(digest, trainings)
        assert found.mask.shape == (96, 96)
        assert found.mask.dtype == np.uint8
        assert np.array_equal(found.mask, mask)
        assert found.uncertainty == pytest.approx(uncertainty, abs=1e-6)
        assert found.mask.any() == (trainings > 1)


def test_a_newer_network_is_looked_for_every_few_seconds_only(setting: Setting) -> None:
    setting.drive(until=1)
    live = LivePredictor(setting.platform, setting.run, threads=1, look_every_s=3600.0)
    digest = setting.digests[Split.UNLABELLED][0]
    assert live.predict(digest)
    setting.drive(until=2)
    found = live.predict(digest)
    assert found is not None
    assert found.version == f"{setting.run.id}/0"
    newest = live.newest()
    assert newest is not None
    assert newest.version == f"{setting.run.id}/1"


def test_only_slices_that_readers_see_are_predicted(setting: Setting) -> None:
    setting.drive(until=1)
    live = LivePredictor(setting.platform, setting.run, threads=1)
    assert live.predict(setting.digests[Split.UNLABELLED][0])
    assert live.predict(setting.digests[Split.LABELLED][0])
    for digest in setting.digests[Split.TEST]:
        assert live.predict(digest) is None
    mask_of_a_slice = setting.platform.objects.put(b"no slice")
    for digest in (mask_of_a_slice, "0" * 64):
        assert live.predict(digest) is None


def test_threads_share_it(setting: Setting) -> None:
    setting.drive(until=2)
    live = LivePredictor(setting.platform, setting.run, threads=1, look_every_s=0.0)
    digests = setting.digests[Split.UNLABELLED]
    # Now, because a network that is made while the run makes its own takes random numbers from it.
    assert live.predict(digests[0])
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(live.predict, digest) for digest in digests * 3]
        setting.drive()
        found = [one.result() for one in asked]
    last = live.predict(digests[0])
    assert last is not None
    assert last.version == f"{setting.run.id}/4"
    for digest, prediction in zip(digests * 3, found, strict=True):
        assert prediction is not None
        trainings = 1 + int(prediction.version.rpartition("/")[2])
        assert np.array_equal(prediction.mask, setting.expected(digest, trainings)[0])


def test_a_network_that_is_gone_is_an_error_until_there_is_another(setting: Setting) -> None:
    setting.drive(until=1)
    live = LivePredictor(setting.platform, setting.run, threads=1, look_every_s=0.0)
    newest = live.newest()
    assert newest is not None
    setting.platform.objects.delete(newest.checkpoint)
    for _twice in range(2):
        with pytest.raises(ObjectMissing):
            live.predict(setting.digests[Split.UNLABELLED][0])
    setting.drive(until=2)
    assert live.predict(setting.digests[Split.UNLABELLED][0])
