"""A progress bar for work that is counted in files, or a line now and then where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_QUIET_S = 30.0


@contextmanager
def counting(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with (done, total)."""
    if not console.is_terminal:
        yield _now_and_then(console, title)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=30, complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _now_and_then(console: Console, title: str) -> Callable[[int, int], None]:
    spoke = time.monotonic()

    def on_progress(done: int, total: int) -> None:
        nonlocal spoke
        if time.monotonic() - spoke >= _QUIET_S:
            spoke = time.monotonic()
            console.print(f"{title}: {done:,} of {total:,}")

    return on_progress
