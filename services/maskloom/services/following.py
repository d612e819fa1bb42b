"""What a run's observer calls say together: which stage, which round of how many, and how long still.

`progress.py` shows it while a run goes on in this process, `watching.py` when it goes on in another.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.steps.collect import Collect, Collected
from maskloom.pipelines.steps.draw_gold import DrawGold
from maskloom.pipelines.steps.evaluate import Evaluate, Measured
from maskloom.pipelines.steps.gate import Gate, Gated
from maskloom.pipelines.steps.label import Label, PseudoLabels
from maskloom.pipelines.steps.merge import Merge
from maskloom.pipelines.steps.open_review import Opened, OpenReview
from maskloom.pipelines.steps.rest import Rest
from maskloom.pipelines.steps.sample import Groups, Sample
from maskloom.pipelines.steps.train import Train, Trained
from maskloom.pipelines.work import Progress
from maskloom.platform.facts import DatasetVersion
from maskloom.services.words import count, duration

_STAGE_NAMES = {
    "sample": "sampling",
    "label": "labelling",
    "gate": "gate",
    "merge": "merge",
    "rest": "what is left",
    "evaluate": "evaluation",
    "draw_gold": "gold slices",
    "open_review": "review",
    "collect": "readers' answers",
}
_RECENT_ROUNDS = 5
_STEPS = (Train, Sample, Label, Gate, Merge, Rest, Evaluate, DrawGold, OpenReview, Collect)
_OUTPUT_TYPES = {step.kind: step.output_type for step in _STEPS}


class Following:
    """Keeps track of one run. Feed it every call of an observer, replayed steps included."""

    def __init__(self) -> None:
        self.rounds: int | None = None
        self.replayed = 0
        self._grown = False
        self._trained_alone = 0
        self._step_began: float | None = None
        self._first_report: tuple[float, int] | None = None
        self._round_began: float | None = None
        self._round_seconds: deque[float] = deque(maxlen=_RECENT_ROUNDS)

    @classmethod
    def joining(
        cls, *, rounds: int, trained_alone: int, grown: bool, round_seconds: Iterable[float], begun_s: float
    ) -> Following:
        """One that comes to a run late, and knows it from the catalog.

        `trained_alone` is how many trainings there were outside of rounds, `grown` whether any label was let through,
        `round_seconds` what its last rounds took, and `begun_s` how long it has been at the one at hand.
        """
        following = cls()
        following.rounds, following._trained_alone, following._grown = rounds, trained_alone, grown
        following._round_seconds.extend(round_seconds)
        following._round_began = time.monotonic() - begun_s
        return following

    def started(self, kind: str, round_number: int | None) -> str:
        """A step starts to work; returns its stage."""
        now = time.monotonic()
        self._step_began, self._first_report = now, None
        if kind == "label" and round_number is not None:
            self._round_began = now
        return self.stage(kind, round_number)

    def done(
        self, kind: str, round_number: int | None, output: Any, seconds: float | None
    ) -> tuple[str, float | None]:
        """A step is done. Returns its stage, and its seconds, or None when it was done before.

        `seconds`: how long it took, where the caller knows better than what was seen here.
        """
        stage = self.stage(kind, round_number)
        now = time.monotonic()
        if seconds is None and self._step_began is not None:
            seconds = now - self._step_began
        self._step_began = None
        self.replayed += seconds is None
        if isinstance(output, Groups):
            self.rounds = len(output)
        if isinstance(output, DatasetVersion):
            self._grown = self._grown or output.parent is not None
        if kind == "train":
            self._trained_alone += round_number is None
            if round_number is not None and self._round_began is not None:
                self._round_seconds.append(now - self._round_began)
                self._round_began = None
        return stage, seconds

    def stage(self, kind: str, round_number: int | None) -> str:
        """What people call the step: training is named by its place in the method."""
        if kind == "label" and round_number is None:
            return "final labels"
        if kind != "train":
            return _STAGE_NAMES.get(kind, kind)
        if round_number is not None:
            return "fine-tuning"
        if self._trained_alone == 0:
            return "supervised training"
        return "pretraining" if self._grown and self._trained_alone == 1 else "final training"

    def place(self, round_number: int | None) -> str:
        """Such as "round 3 of 8", or nothing outside of rounds."""
        if round_number is None:
            return ""
        return f"round {round_number}" + (f" of {self.rounds}" if self.rounds else "")

    def step_left_s(self, progress: Progress) -> float | None:
        """How long the step will still take, by what was done since its first report."""
        now = time.monotonic()
        if self._first_report is None:
            self._first_report = (now, progress.done)
            return None
        began, done_then = self._first_report
        if progress.done == done_then or now - began < 1:
            return None
        return (now - began) / (progress.done - done_then) * (progress.total - progress.done)

    def rounds_left_s(self, round_number: int) -> float | None:
        """How long this round and those after it will take, by the last few."""
        if self.rounds is None or not self._round_seconds:
            return None
        begun = 0.0 if self._round_began is None else time.monotonic() - self._round_began
        a_round = sum(self._round_seconds) / len(self._round_seconds)
        return a_round * (self.rounds - round_number) + max(0.0, a_round - begun)


def parsed(kind: str, output: Any) -> Any:
    """A step's output as the catalog has it, as the step returns it."""
    return _output_type(kind).validate_python(output)


@cache
def _output_type(kind: str) -> TypeAdapter[Any]:
    # To make one takes longer than to use it.
    return TypeAdapter(_OUTPUT_TYPES[kind])


def outcome(output: Any) -> str:
    """A step's output in a few words."""
    said = ""
    match output:
        case Trained():
            said = f"{count(output.steps, 'step')} on {count(output.slices, 'slice')}{_last_figures(output)}"
        case Groups():
            said = f"{count(output.order.size, 'slice')} in {count(len(output), 'group')}"
        case SliceList():
            said = count(output.size, "slice")
        case PseudoLabels():
            said = f"{count(output.count, 'mask')}, {output.empty:,} of them empty"
        case Gated():
            said = f"{output.kept:,} kept, {output.refused:,} refused"
        case Opened():
            said = f"{count(output.slices, 'mask')} to read"
        case Collected():
            said = _verdicts(output)
        case DatasetVersion():
            said = f"training set of {count(output.size, 'slice')}"
        case Measured():
            dice_at_half, mean_dice = (output.estimates[name]["value"] for name in ("dice", "mean_dice"))
            said = f"Dice {dice_at_half:.3f}, mean Dice {mean_dice:.3f} on {count(output.count, 'slice')}"
    return said


def in_round(output: Any) -> str:
    """What a step of a round adds to the line that tells of the round; nothing for most."""
    match output:
        case PseudoLabels():
            return count(output.count, "mask")
        case Gated():
            return f", {output.kept:,} kept"
        case Collected():
            return f", readers: {_verdicts(output)}"
        case Trained():
            return f"; trained on {count(output.slices, 'slice')}{_last_figures(output)}"
        case _:
            return ""


def _verdicts(collected: Collected) -> str:
    kinds = Counter(decided.kind for decided in collected.verdicts)
    return ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items())) or "nothing new"


def _last_figures(trained: Trained) -> str:
    if not trained.curve:
        return ""
    _, loss, dice = trained.curve[-1]
    return f", loss {loss:.3f}, Dice {dice:.3f}, {trained.images_per_s:.1f} images/s"


def figures(progress: Progress) -> str:
    """Loss, Dice and speed, those that the step has."""
    parts = [
        None if progress.loss is None else f"loss {progress.loss:.3f}",
        None if progress.dice is None else f"Dice {progress.dice:.3f}",
        None if progress.images_per_s is None else f"{progress.images_per_s:.1f} images/s",
    ]
    return "  ".join(part for part in parts if part)


def left(seconds: float | None) -> str:
    """Such as "34 s left"."""
    return "" if seconds is None else f"{duration(seconds)} left"
