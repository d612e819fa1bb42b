"""The campaign's outcome as a page of docs/benchmarks."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from support.trials import Trial

INTRODUCTION = """# Faults

What `make test-faults` does: a small real run (synthetic CT of 64 pixels, three rounds of `semi-inf-net-quick`, real
networks in real Ray actors, embedded PostgreSQL, a folder as object store) is left alone once. Then it is done again and
again, each time with `kill -9` of one of its parts, at every point of the step protocol or at a random moment; resumed
where its driver died; and its whole catalog is compared with that of the run that was left alone: steps and outputs,
checkpoints (sha256), label versions, gate decisions, dataset versions and blobs, row by row. "The same" also means: no step
with two results, no lease still held, no progress left behind, every blob there and whole, and no PostgreSQL or Ray process
left running.

Points of the protocol: `leased` (the lease is taken, nothing done), `progress_saved` (a long step has noted how far it is),
`ran` (blobs are stored, nothing is committed), `committing` (inside the transaction), `committed` (just after it).

Recovery is the time from the kill until: the driver, started again at once, has got on with a step that was not done (Ray
and actors have to start); a trainer or labeller, or its successor, gets on; PostgreSQL answers again; for Ctrl-C, until the
process has ended. Two trials at a time.
"""


def write(
    path: Path, trials: Sequence[Trial], undisturbed_s: float, seed: int, introduction: str = INTRODUCTION
) -> None:
    """Write the page anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        introduction,
        f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}. The undisturbed run took {undisturbed_s:.0f} s.",
        f"Random moments with seed {seed}.\n",
        _table(
            ["killed", "times", "ended the same", "recovery: median", "longest"],
            [_summary(victim, trials) for victim in dict.fromkeys(trial.victim for trial in trials)],
        ),
        "## Every trial\n",
        _table(["killed", "point or moment", "outcome", "recovery", ""], [_row(trial) for trial in trials]),
    ]
    path.write_text("\n".join(parts))


def tell(trial: Trial) -> None:
    """A line about a trial."""
    outcome = "; ".join(trial.problems) or "the same"
    recovered = "" if trial.recovered_s is None else f"{trial.recovered_s:.1f} s"
    print(f"{trial.victim:15} {trial.where:45} {recovered:>7} {outcome}", flush=True)


def _summary(victim: str, trials: Sequence[Trial]) -> list[str]:
    own = [trial for trial in trials if trial.victim == victim]
    seconds = [trial.recovered_s for trial in own if trial.recovered_s is not None]
    times = [f"{statistics.median(seconds):.1f} s", f"{max(seconds):.1f} s"] if seconds else ["", ""]
    return [victim, str(len(own)), str(sum(not trial.problems for trial in own)), *times]


def _row(trial: Trial) -> list[str]:
    outcome = (
        "; ".join(problem.replace("|", "/").replace("\n", " ") for problem in trial.problems) or "the same"
    )
    seconds = "" if trial.recovered_s is None else f"{trial.recovered_s:.1f} s"
    return [trial.victim, trial.where, outcome, seconds, trial.note]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()} {platform.release()}"
