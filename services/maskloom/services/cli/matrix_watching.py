"""Shows how the cells of a matrix go on: one live table on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from maskloom.pipelines.matrix.axes import Cell
from maskloom.pipelines.stopping import Stop
from maskloom.platform.run_facts import RunStatus
from maskloom.services.cli.output import listing
from maskloom.services.cli.place import InShort, Place

LOOK_EVERY_S = 1.0
ENDED = {RunStatus.FINISHED, RunStatus.FAILED, RunStatus.PAUSED, RunStatus.CANCELLED}
_STYLES = {
    RunStatus.FINISHED: "green",
    RunStatus.RUNNING: "cyan",
    RunStatus.WAITING: "yellow",
    RunStatus.FAILED: "red",
}
_BESIDE_THE_TABLE = 4
"""Lines of a terminal that are not for rows: the header, what is said below, and the prompt."""
Look = list[InShort]
Shown = Callable[[Look], None]


def watch(
    place: Place,
    dataset: str,
    cells: Mapping[str, Cell],
    console: Console,
    stop: Stop,
    check: Callable[[], None],
) -> None:
    """Return when all `cells` (by run) have ended. Raises Stopped when asked to stop, and what `check` raises at each look."""
    with _showing(console, cells) as show:
        while True:
            check()
            look = _look(place, dataset, cells)
            show(look)
            if all(one.status in ENDED for one in look):
                return
            stop.wait(LOOK_EVERY_S)


def _look(place: Place, dataset: str, cells: Mapping[str, Cell]) -> Look:
    """How the cells stand, in their order."""
    found: dict[str, InShort] = {}
    for one in place.in_short(dataset):
        if one.id in cells:
            found[one.id] = one
            if len(found) == len(cells):
                break
    return [found[run] for run in cells]


@contextmanager
def _showing(console: Console, cells: Mapping[str, Cell]) -> Iterator[Shown]:
    if not console.is_terminal:
        yield _Lines(console, cells)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda look: live.update(table(look, cells, console.height), refresh=True)


class _Lines:
    """A line for each change of a cell."""

    def __init__(self, console: Console, cells: Mapping[str, Cell]) -> None:
        self._console = console
        self._cells = cells
        self._told: dict[str, str] = {}

    def __call__(self, look: Look) -> None:
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        for one in look:
            said = ", ".join(part for part in (str(one.status), _rounds(one), _dice(one)) if part)
            if self._told.get(one.id) != said:
                self._told[one.id] = said
                self._console.print(f"{now}  {self._cells[one.id]}: {said}")


def table(look: Look, cells: Mapping[str, Cell], height: int) -> Group:
    """A row for each cell; where they are more than `height` lines hold, those at work first."""
    axes = list(next(iter(cells.values())).values)
    numbers = Counter(one.status for one in look)
    said = ", ".join(f"{number} {status}" for status, number in numbers.items())
    made = listing(*axes, "status", "rounds", "Dice", right=("rounds", "Dice"))
    for one in _shown(look, max(1, height - _BESIDE_THE_TABLE)):
        status = Text(one.status, style=_STYLES.get(one.status, ""))
        values = cells[one.id].values.values()
        made.add_row(
            *values,
            status,
            _rounds(one).removeprefix("round ") or "-",
            _dice(one).removeprefix("Dice ") or "-",
        )
    return Group(made, Text(f"{said} of {len(look)}", style="dim"))


def _shown(look: Look, most: int) -> Look:
    if len(look) <= most:
        return look
    order = {RunStatus.RUNNING: 0, RunStatus.WAITING: 1, RunStatus.FAILED: 2, RunStatus.FINISHED: 4}
    return sorted(look, key=lambda one: order.get(one.status, 3))[:most]


def _rounds(one: InShort) -> str:
    return f"round {one.rounds_done} of {one.rounds}" if one.rounds else ""


def _dice(one: InShort) -> str:
    return "" if one.dice is None else f"Dice {one.dice:.3f}"
