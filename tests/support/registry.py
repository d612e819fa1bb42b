"""Finished runs for the model registry: the real steps and catalog, and networks that are as good as a test wants."""

from __future__ import annotations

from unittest.mock import patch

from maskloom.pipelines import drive, recipes
from maskloom.pipelines.jobs import TrainJob, TrainResult
from maskloom.pipelines.registry import promoting
from maskloom.pipelines.stopping import Stop
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform
from maskloom.platform.model_facts import Model
from maskloom.platform.run_facts import Run
from support.painted import DATASET, Grey, PaintedCrew, Quiet


class RatedCrew(PaintedCrew):
    """Its networks are as good as after so many trainings: 1 sees lesions much blurred, 20 hardly."""

    def __init__(self, platform: Platform, truth: dict[str, Grey], trainings: int) -> None:
        super().__init__(platform, truth)
        self._rated = trainings

    def train(self, job: TrainJob, work: object) -> TrainResult:
        network = f"{self._rated} trainings, seed {job.seed}".encode()
        digest = self._objects.put(network)
        return TrainResult(digest=digest, size_bytes=len(network), steps=1, curve=((1, 1.0, 0.5),))


def finished_run(platform: Platform, truth: dict[str, Grey], *, seed: int, trainings: int = 1) -> Run:
    """A run on the phantom that has measured its network on those test slices that there are; `truth` are their lesions."""
    recipe = recipes.with_settings(recipes.named("supervised"), ["network.weights=random"])
    run, _ = drive.create(platform, recipe, DATASET, seed=seed)
    with patch.object(drive, "Crew", lambda of, _workers: RatedCrew(of, truth, trainings)):
        drive.drive(platform, run, workers=1, observer=Quiet(), stop=Stop())
    return run


def act(action: str = "model.changed", who: str = "lea") -> Act:
    return Act(who=who, via="session", address="::1", action=action, target="a model", dataset=DATASET)


def registered(platform: Platform, run: Run, name: str) -> Model:
    return platform.database.transaction(lambda c: promoting.register(c, run, name, act()))


def promoted(platform: Platform, name: str, reason: str | None = None, who: str = "lea") -> Model:
    return platform.database.transaction(
        lambda c: promoting.promote(c, platform.objects, DATASET, name, act(who=who), reason)
    )
