"""Runs in seconds whose networks can predict: they are real, but nobody trained them.

The first network of a run, that of the experts' masks alone, sees no lesion anywhere; later ones see some everywhere.
"""

from __future__ import annotations

from contextlib import suppress
from unittest.mock import patch

from maskloom.models.infnet import InfNet, build
from maskloom.models.parameters import NetworkParameters
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.jobs import TrainJob, TrainResult
from maskloom.pipelines.recipes import Recipe
from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.pipelines.workers.place import HeldNetwork
from maskloom.platform.bootstrap import Platform
from maskloom.platform.run_facts import Run
from support.painted import Grey, PaintedCrew, Quiet, quick_recipe

SETTINGS = (
    "prediction.size=64",
    "prediction.engine=torch",
    "prediction.precision=fp32",
    "network.weights=random",
)


def untrained_recipe(*settings: str) -> Recipe:
    """Groups of four slices, which networks see at 64 pixels."""
    return recipes.with_settings(quick_recipe(), [*SETTINGS, *settings])


def network(parameters: NetworkParameters, trainings: int) -> InfNet:
    """The network after so many trainings (1, 2, ...)."""
    made = build(parameters, seed=trainings)
    if trainings == 1:
        made.decoder.out[1].bias.data.fill_(-30.0)
    return made


class UntrainedCrew(PaintedCrew):
    """Stands where `crew.Crew` does: networks are real, and labels painted all the same."""

    def __init__(self, platform: Platform, truth: dict[str, Grey], trainings: dict[str, int]) -> None:
        super().__init__(platform, truth)
        self._trainings_of = trainings

    def train(self, job: TrainJob, work: object) -> TrainResult:
        number = 1 + (self._trainings_of[job.start] if job.start else 0)
        made = network(job.network, number)
        file = HeldNetwork(job.network, made).file(made.state_dict())
        digest = self._objects.put(file)
        self._trainings_of[digest] = number
        return TrainResult(digest=digest, size_bytes=len(file), steps=1, curve=((1, 1.0, 0.5),))

    def _trainings(self, checkpoint: str) -> int:
        return self._trainings_of[checkpoint]


class _StopsAfter(Quiet):
    def __init__(self, stop: Stop, trainings: int) -> None:
        self._stop = stop
        self._left = trainings

    def done(self, kind: str, round_number: int | None, output: object) -> None:
        self._left -= kind == "train"
        if not self._left:
            self._stop.request("interrupted")


def drive_on(
    platform: Platform,
    run: Run,
    truth: dict[str, Grey],
    trainings: dict[str, int],
    until: int | None = None,
) -> None:
    """Drive `run` until so many networks were trained (None: to its end). `trainings` of networks are kept by the caller."""
    stop = Stop()
    observer = Quiet() if until is None else _StopsAfter(stop, until)

    def crew(of: Platform, _workers: int) -> UntrainedCrew:
        return UntrainedCrew(of, truth, trainings)

    with patch.object(drive, "Crew", crew), suppress(Stopped):
        drive.drive(platform, run, workers=1, observer=observer, stop=stop)
