"""The newest network of a run, ready to predict single slices while somebody waits. Nothing enters the catalog.

A review's masks are those of its round (`steps.label`). This is for who opens a slice later, when the run has learnt more.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from maskloom.models.inference import Predictor
from maskloom.pipelines import recipes
from maskloom.pipelines.jobs import WorkerSettings
from maskloom.pipelines.steps.train import Train, Trained
from maskloom.pipelines.workers.labeller import scores_of, soft_masks
from maskloom.pipelines.workers.place import HeldNetwork, prepare, stacked
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import slices, steps
from maskloom.platform.facts import Split
from maskloom.platform.imaging.formats import decode_grey8, resize
from maskloom.platform.imaging.masks import binary
from maskloom.platform.run_facts import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The network that a run trained last. `version`: `RUN/ROUND`, where 0 is the network that only experts taught.

    What comes after the last round counts on.
    """

    checkpoint: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LivePrediction:
    """A slice's mask, uint8 (H, W) of 0 and 255 at its own size, its uncertainty (0 sure .. 1), and whose it is."""

    mask: NDArray[np.uint8]
    uncertainty: float
    version: str


class LivePredictor:
    """The newest network of one run. Threads may share it; it predicts one slice at a time."""

    def __init__(
        self, platform: Platform, run: Run, *, threads: int | None = None, look_every_s: float = 3.0
    ) -> None:
        """`threads` to compute with (None: as many as cores). A newer network is looked for every `look_every_s`."""
        recipe = recipes.RECIPE.validate_python(run.recipe)
        self._platform = platform
        self._run = run
        self._settings = WorkerSettings(objects_url=platform.objects.url, threads=threads)
        # OpenVINO would be quicker for each slice, and keep the first reader after each round waiting for seconds.
        self._parameters = replace(recipe.prediction, engine="torch")
        self._network = recipe.network
        self._look_every_s = look_every_s
        self._look_at = 0.0
        self._newest: Newest | None = None
        self._held: HeldNetwork | None = None
        self._predictor: tuple[str, Predictor] | None = None
        self._computing = threading.Lock()

    def newest(self) -> Newest | None:
        """The newest network there is now; None before the first. Does not wait for predictions."""
        found = self._platform.database.transaction(
            lambda c: steps.newest_and_count(c, self._run.id, Train.kind)
        )
        if found is None:
            return None
        trained: Trained = TypeAdapter(Trained).validate_python(found[0])
        return Newest(checkpoint=trained.digest, version=f"{self._run.id}/{found[1] - 1}")

    def predict(self, digest: str) -> LivePrediction | None:
        """The mask of a slice of the run's data set; None for a test slice or another one, and before the first network.

        Raises ObjectMissing, ObjectCorrupt or ObjectStoreUnavailable for a slice or network that cannot be read.
        """
        known = self._platform.database.transaction(
            lambda c: slices.by_digest(c, self._run.dataset, [digest])
        )
        if digest not in known or known[digest].split is Split.TEST:
            return None
        image = decode_grey8(self._platform.objects.get(digest))
        size = self._parameters.size
        small = stacked([resize(image, size, size)])
        with self._computing:
            newest = self._followed()
            if newest is None:
                return None
            maps = self._predictor_of(newest.checkpoint).probabilities(small).cpu()
        (soft,) = soft_masks(maps, [image.shape], stretch=self._parameters.stretch)
        uncertainty = scores_of([soft], maps)[0]["uncertainty"]
        return LivePrediction(mask=binary(soft), uncertainty=uncertainty, version=newest.version)

    def _followed(self) -> Newest | None:
        if time.monotonic() >= self._look_at:
            self._newest = self.newest()
            self._look_at = time.monotonic() + self._look_every_s
        return self._newest

    def _predictor_of(self, checkpoint: str) -> Predictor:
        device = prepare(self._settings)
        if self._predictor is None or self._predictor[0] != checkpoint:
            self._predictor = None  # its network is about to get other weights
            self._held = self._held or HeldNetwork.blank(self._network)
            self._held.take(checkpoint, self._platform.objects)
            self._predictor = (checkpoint, Predictor(self._held.network, self._parameters, device))
        return self._predictor[1]
