"""Shows a run that goes on: live bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from maskloom.pipelines import work
from maskloom.services.following import Following, figures, in_round, left, outcome
from maskloom.services.words import count, duration

QUIET_S = 30.0
_TITLE_WIDTH = len("supervised training")


@contextmanager
def showing(console: Console) -> Iterator[Lines | Live]:
    """The observer that fits `console`."""
    with Live(console) if console.is_terminal else Lines(console) as observer:
        yield observer


class Lines:
    """A line for each committed step, and now and then one for a step that takes long."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._following = Following()
        self._spoke = time.monotonic()
        self._told_replayed = False
        self._waited_for: str | None = None

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_error: object) -> None:
        self._tell_replayed()

    def started(self, kind: str, round_number: int | None) -> None:
        self._tell_replayed()
        self._following.started(kind, round_number)

    def waiting(self, kind: str, round_number: int | None, holder: str) -> None:
        stage = self._following.stage(kind, round_number)
        if self._waited_for != stage:
            self._waited_for = stage
            self._say(round_number, f"{stage}: waiting for {holder}, which does the same step")

    def progress(self, progress: work.Progress) -> None:
        remaining = left(self._following.step_left_s(progress))
        if time.monotonic() - self._spoke < QUIET_S:
            return
        stage = self._following.stage(progress.kind, progress.round)
        said = [f"{progress.done:,} of {progress.total:,}", *figures(progress).split("  "), remaining]
        self._say(progress.round, f"{stage}: {', '.join(part for part in said if part)}")

    def done(self, kind: str, round_number: int | None, output: Any, seconds: float | None = None) -> None:
        stage, seconds = self._following.done(kind, round_number, output, seconds)
        if seconds is not None:
            self._say(round_number, f"{stage}: {outcome(output)} ({duration(seconds)})")

    def _tell_replayed(self) -> None:
        if self._following.replayed and not self._told_replayed:
            self._say(None, f"{count(self._following.replayed, 'step')} done before")
        self._told_replayed = True

    def _say(self, round_number: int | None, text: str) -> None:
        place = self._following.place(round_number)
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        self._console.print(f"{now}  {place + '  ' if place else ''}{text}")
        self._spoke = time.monotonic()


class Live:
    """Bars for the rounds and the step at hand; above them a line for each stage and round that is done."""

    def __init__(self, console: Console) -> None:
        self._following = Following()
        self._bars = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=30, complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
            TextColumn("{task.fields[where]}"),
            TextColumn("{task.fields[figures]}", style="cyan"),
            TextColumn("{task.fields[left]}", style="dim"),
            console=console,
            refresh_per_second=5,
            transient=True,
        )
        self._rounds: TaskID | None = None
        self._step: TaskID | None = None
        self._of_round = ""
        self._round_s = 0.0
        self._told_replayed = False

    def __enter__(self) -> Live:
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._tell_replayed()
        self._bars.stop()

    def started(self, kind: str, round_number: int | None) -> None:
        self._tell_replayed()
        stage = self._following.started(kind, round_number)
        self._show_round(round_number)
        self._end_step()
        self._step = self._bars.add_task(stage, total=None, where="starting", figures="", left="")

    def waiting(self, kind: str, round_number: int | None, holder: str) -> None:
        stage = self._following.stage(kind, round_number)
        if self._step is None:
            self._step = self._bars.add_task(stage, total=None, where="", figures="", left="")
        self._bars.update(self._step, where=f"waiting for {holder}, which does the same step")

    def progress(self, progress: work.Progress) -> None:
        if self._step is None:
            return
        self._bars.update(
            self._step,
            total=progress.total,
            completed=progress.done,
            where=f"{progress.done:,} of {progress.total:,}",
            figures=figures(progress),
            left=left(self._following.step_left_s(progress)),
        )
        self._show_round(progress.round)

    def done(self, kind: str, round_number: int | None, output: Any, seconds: float | None = None) -> None:
        stage, seconds = self._following.done(kind, round_number, output, seconds)
        self._end_step()
        if round_number is None:
            if seconds is not None:
                self._tick(stage, outcome(output), seconds)
            return
        self._of_round += in_round(output)
        self._round_s += seconds or 0.0
        if kind == "train":
            if seconds is not None:
                self._tick(self._following.place(round_number), self._of_round, self._round_s)
            self._of_round, self._round_s = "", 0.0

    def _show_round(self, round_number: int | None) -> None:
        if round_number is None:
            if self._rounds is not None:
                self._bars.remove_task(self._rounds)
                self._rounds = None
            return
        total = self._following.rounds
        if self._rounds is None:
            self._rounds = self._bars.add_task("rounds", total=total, where="", figures="", left="")
        self._bars.update(
            self._rounds,
            completed=round_number - 1,
            where=f"{round_number:,} of {total:,}" if total else f"{round_number:,}",
            left=left(self._following.rounds_left_s(round_number)),
        )

    def _tick(self, title: str, text: str, seconds: float) -> None:
        title = f"{title:{_TITLE_WIDTH}} "
        self._bars.console.print(
            Text.assemble(("✓ ", "green"), (title, "bold"), f"{text} ", (duration(seconds), "dim"))
        )

    def _tell_replayed(self) -> None:
        if self._following.replayed and not self._told_replayed:
            said = f"{count(self._following.replayed, 'step')} done before"
            self._bars.console.print(Text.assemble(("✓ ", "green"), said))
        self._told_replayed = True

    def _end_step(self) -> None:
        if self._step is not None:
            self._bars.remove_task(self._step)
            self._step = None
