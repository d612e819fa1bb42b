"""A run in a process of its own, to be killed: the real method, steps and catalog, with a crew that computes next to nothing.

`python tiny_flow.py RUN` drives the run to its end and exits as `maskloom` would: 0, or the error's own exit code.
The home and the database are those of the environment. TINY_HOLD=KIND keeps a step of that kind from ending until the file `go`
is in the home; TINY_FAIL=KIND makes it fail, TINY_REFUSE=KIND as the models do
when a recipe asks for what they do not have.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from maskloom.models.errors import ModelError
from maskloom.pipelines import drive, recipes
from maskloom.pipelines.jobs import EvaluateJob, LabelJob, SliceEvaluation, SliceLabel, TrainJob, TrainResult
from maskloom.pipelines.parameters import GateParameters, SamplerParameters
from maskloom.pipelines.recipes import Recipe, SemiInfNet
from maskloom.pipelines.stopping import Stop, stopping_on_signals
from maskloom.pipelines.work import Work
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog.database import Database
from maskloom.platform.errors import MaskloomError
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.imaging.formats import decode_grey8, encode_png

STEPS = 6


def tiny_recipe(*, uncertainty: float = 0.5) -> Recipe:
    """Three rounds on a pool of twelve slices; the gate lets about half of the labels through."""
    quick = recipes.named("semi-inf-net-quick")
    assert isinstance(quick, SemiInfNet)
    stages = {name: replace(stage, steps=STEPS) for name, stage in recipes.stages(quick).items()}
    return replace(
        quick,
        sampler=SamplerParameters(group_size=4),
        gate=GateParameters(kind="confidence", uncertainty=uncertainty),
        **stages,
    )


class TinyCrew:
    """Stands where `crew.Crew` does, and saves its progress at every other chance. A network is a chain of hashes."""

    def __init__(self, platform: Platform, _workers: int) -> None:
        self._objects = platform.objects
        self._home = platform.settings.home

    def train(self, job: TrainJob, work: Work) -> TrainResult:
        saved = work.saved_digest()
        state = (
            json.loads(self._objects.get(saved))
            if saved
            else {"step": 0, "trace": fingerprint([job.start, job.seed])}
        )
        while state["step"] < STEPS:
            self._interfere(work)
            slice_, mask = job.pairs[state["step"] % len(job.pairs)]
            state = {
                "step": state["step"] + 1,
                "trace": fingerprint([state["trace"], slice_, mask]),
            }
            work.report(state["step"], STEPS, loss=1 / state["step"])
            if state["step"] % 2 == 0:
                work.save_progress(self._objects.put(json.dumps(state).encode()))
        network = f"network {state['trace']}".encode()
        return TrainResult(
            digest=self._objects.put(network),
            size_bytes=len(network),
            steps=STEPS,
            curve=tuple((step, 1 / step, 1 - 1 / step) for step in range(1, STEPS + 1)),
        )

    def label(self, job: LabelJob, done: Collection[str], work: Work) -> Iterator[list[SliceLabel]]:
        for first in range(0, len(job.slices), 2):
            self._interfere(work)
            pair = job.slices[first : first + 2]
            if not all(digest in done for digest in pair):
                yield [self._label(digest, job.checkpoint) for digest in pair]

    def evaluate(self, job: EvaluateJob, work: Work) -> list[SliceEvaluation]:
        from maskloom.models.metrics import measure_slice  # loads MONAI, which takes seconds

        self._interfere(work)
        found = []
        for image, mask in job.pairs:
            label = self._label(image, job.checkpoint)
            drawn, wanted = (decode_grey8(self._objects.get(digest)) for digest in (label.mask, mask))
            measures = asdict(measure_slice(drawn, wanted))
            found.append(
                SliceEvaluation(
                    slice=image, prediction=label.mask, size_bytes=label.size_bytes, measures=measures
                )
            )
        return found

    def close(self) -> None: ...

    def _label(self, digest: str, checkpoint: str) -> SliceLabel:
        threshold = 64 + int(fingerprint([digest, checkpoint])[:2], 16) // 2
        mask = np.where(decode_grey8(self._objects.get(digest)) > threshold, np.uint8(255), np.uint8(0))
        file = encode_png(mask)
        scores = {
            "area": float((mask > 0).mean()),
            "peak": 1.0,
            "uncertainty": int(fingerprint([checkpoint, digest])[:2], 16) / 255,
        }
        return SliceLabel(
            slice=digest, mask=self._objects.put(file), size_bytes=len(file), scores=scores, compute_s=0.0
        )

    def _interfere(self, work: Work) -> None:
        if os.environ.get("TINY_FAIL") == work.kind:
            raise RuntimeError("asked to fail")
        if os.environ.get("TINY_REFUSE") == work.kind:
            raise ModelError("there is no such engine")
        while os.environ.get("TINY_HOLD") == work.kind and not (self._home / "go").exists():
            work.stop.wait(0.05)


class Printing:
    """An observer that prints a line for whoever waits for a moment."""

    def started(self, kind: str, round_number: int | None) -> None:
        print("started", kind, round_number, flush=True)

    def waiting(self, kind: str, round_number: int | None, holder: str) -> None:
        print("waiting", kind, round_number, holder, flush=True)

    def progress(self, progress: object) -> None: ...

    def done(self, kind: str, round_number: int | None, output: object) -> None:
        print("done", kind, round_number, flush=True)


def main(run_id: str) -> int:
    """Drive the run; the exit code."""
    stop = Stop()
    if "TINY_TWICE" in os.environ:
        once = Database.transaction
        Database.transaction = lambda database, work: [once(database, work) for _ in range(2)][-1]  # type: ignore[method-assign]
    try:
        with (
            open_platform() as platform,
            stopping_on_signals(stop),
            patch.object(drive, "Crew", TinyCrew),
        ):
            run = drive.find(platform, run_id)
            finished = drive.drive(platform, run, workers=1, observer=Printing(), stop=stop)
            print("finished", finished.model.digest, flush=True)
    except MaskloomError as error:
        print(type(error).__name__, error.message, error.hint, sep=" | ", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(main(sys.argv[1]))
