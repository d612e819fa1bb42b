"""Two runs on the service's data set that have come to their end, and whose masks differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maskloom.platform.facts import Split
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.formats import encode_png
from maskloom.platform.imaging.phantom import phantom_volume
from maskloom.platform.run_facts import Run
from support.painted import SIZE, Grey, ingest_phantom, paint, quick_recipe
from support.service import Service

TEST_SLICES = 4


def true_lesions(seed: int, count: int) -> dict[str, Grey]:
    """The lesions of the phantom that `ingest_phantom` makes with these, by slice digest."""
    images, masks = phantom_volume(seed, count, SIZE)
    return {sha256(encode_png(image)): mask for image, mask in zip(images, masks, strict=True)}


def finished_runs(service: Service) -> tuple[Run, Run]:
    """Two finished runs, of which the second draws every lesion a few pixels aside."""
    home = service.platform.settings.home
    truth = true_lesions(1, 3) | true_lesions(2, 7)
    truth |= ingest_phantom(service.platform, home / "tests", Split.TEST, TEST_SLICES, 3)
    aside = {digest: np.roll(mask, 5, axis=1) for digest, mask in truth.items()}
    recipe = quick_recipe()
    # Networks of this crew are the same after as many trainings: what they predict is kept apart by how.
    other = replace(recipe, prediction=replace(recipe.prediction, flip=False))
    return paint(service.platform, recipe, truth), paint(service.platform, other, aside)
