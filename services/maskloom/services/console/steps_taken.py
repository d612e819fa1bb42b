"""What a run has done, step by step, as its page tells it."""

from __future__ import annotations

from dataclasses import dataclass

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import steps
from maskloom.platform.run_facts import Run
from maskloom.services.following import Following, outcome, parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A step: its stage, where in the run it is (such as `round 3 of 8`), what came out, and its seconds."""

    kind: str
    stage: str
    place: str
    outcome: str
    seconds: float


def steps_taken(platform: Platform, run: Run) -> list[Told]:
    """The steps that a run has taken, in their order."""
    following = Following()
    told = []
    for step in platform.database.transaction(lambda c: steps.of_run(c, run.id)):
        output = parsed(step.kind, step.output)
        stage, _ = following.done(step.kind, step.round, output, step.seconds)
        place = following.place(step.round)
        told.append(
            Told(kind=step.kind, stage=stage, place=place, outcome=outcome(output), seconds=step.seconds)
        )
    return told
