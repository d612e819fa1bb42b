"""How the cells of a matrix are shown while they go on: a table on a terminal, a line for each change in a log."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich.console import Console

from maskloom.pipelines.matrix.axes import cells
from maskloom.pipelines.stopping import Stop
from maskloom.platform.run_facts import RunStatus
from maskloom.services.cli.matrix_watching import table, watch
from maskloom.services.cli.place import InShort

CELLS = {f"run {cell.seed}": cell for cell in cells("seed=0..9,sampler=volume", "semi-inf-net-quick", [])}


def looked_at(*statuses: str) -> list[InShort]:
    return [
        InShort(
            id=run,
            status=RunStatus(status),
            rounds=3,
            rounds_done=1,
            dice=0.5 if status == "finished" else None,
        )
        for run, status in zip(CELLS, statuses, strict=True)
    ]


STATUSES = ["finished", "failed", *["queued"] * 6, "running", "waiting"]


def drawn(height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=100, markup=False, color_system=None)
    with console.capture() as capture:
        console.print(table(looked_at(*STATUSES), CELLS, height))
    return [line.strip() for line in capture.get().splitlines()]


def test_a_terminal_has_a_row_for_each_cell() -> None:
    head, *rows, said = drawn(height=40)
    assert head.split() == ["seed", "sampler", "status", "rounds", "Dice"]
    assert rows[0].split() == ["0", "volume", "finished", "1", "of", "3", "0.500"]
    assert [row.split()[2] for row in rows] == STATUSES
    assert said == "1 finished, 1 failed, 6 queued, 1 running, 1 waiting of 10"


def test_a_low_terminal_has_those_at_work_first() -> None:
    _, *rows, said = drawn(height=8)
    assert [row.split()[2] for row in rows] == ["running", "waiting", "failed", "queued"]
    assert said.endswith("of 10")


@dataclass
class Going:
    """A place whose runs go on a step at each look, beside one that is no cell."""

    looks: Iterator[list[InShort]]

    def in_short(self, _dataset: str) -> Iterator[InShort]:
        look = next(self.looks)
        yield replace(look[0], id="another run")
        yield from look


def test_a_log_has_a_line_for_each_change() -> None:
    file = io.StringIO()
    all_ended = ["finished", "failed", "paused", "cancelled", *["finished"] * 6]
    looks = [looked_at(*["queued"] * 10), looked_at(*["queued"] * 9, "running"), looked_at(*all_ended)]
    stop = Stop()
    stop.wait = lambda _seconds: None  # type: ignore[method-assign]
    watch(Going(iter(looks)), "chest", CELLS, Console(file=file, width=140), stop, stop.check)  # type: ignore[arg-type]
    lines = [line.split("  ", 1)[1] for line in file.getvalue().splitlines()]
    assert lines[:10] == [f"seed {n}, sampler volume: queued, round 1 of 3" for n in range(10)]
    assert lines[10] == "seed 9, sampler volume: running, round 1 of 3"
    assert lines[11] == "seed 0, sampler volume: finished, round 1 of 3, Dice 0.500"
    assert len(lines) == 21
