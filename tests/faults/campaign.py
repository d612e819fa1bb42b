"""The fault campaign: kill every part of a small real run at every point of the step protocol and at many moments, and compare.

`python tests/faults/campaign.py --moments 30 --report docs/benchmarks/faults.md` exits with 1 when any run ended otherwise than
the run that was left alone. It takes hours. Every trial is
noted in a file at once, from which a campaign that was interrupted goes on. `tests/integration/test_faults_short.py` is the
short form.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import notes, report
from support.stage import Driver, Stage, staged
from support.trials import (
    POINTS,
    VICTIMS,
    Trial,
    at_moment,
    ctrl_c,
    driver_at_points,
    others_at_points,
)

MEETS = {"postgres": tuple(POINTS), "trainer": ("train", "label"), "labeller": ("train", "label")}
"""Kinds of step at whose points a part is killed: actors at those that need actors."""
INTERRUPTIONS = 10
SIDE_BY_SIDE = 2
"""Trials at a time: most of their time they wait for Ray to notice that a driver is gone."""
Group = Callable[[Stage], Iterator[Trial]]
"""Trials that share a run, or one trial."""


def main() -> int:
    """Run the campaign and write its report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=30, help="random moments for each part that is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--report", type=Path, default=Path("docs/benchmarks/faults.md"))
    parser.add_argument("--notes", type=Path, default=Path(".faults.jsonl"), help="what is done so far")
    options = parser.parse_args()
    done = notes.read(options.notes)
    if done:
        print(f"{len(done)} groups of trials are done: {options.notes} (remove it to begin anew)", flush=True)
    with staged() as stage, ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        print(f"undisturbed: {stage.seconds:.0f} s", flush=True)
        groups = campaign(options.moments, options.seed)
        started = {
            threads.submit(lambda group: list(group(stage)), group): name
            for name, group in groups.items()
            if name not in done
        }
        for finished in as_completed(started):
            name, trials = started[finished], finished.result()
            done[name] = trials
            notes.add(options.notes, name, trials)
            for trial in trials:
                report.tell(trial)
            in_order = [trial for known in groups for trial in done.get(known, [])]
            report.write(options.report, in_order, stage.seconds, options.seed)
    options.notes.unlink()
    return 1 if any(trial.problems for trials in done.values() for trial in trials) else 0


def campaign(moments: int, seed: int) -> dict[str, Group]:
    """Every group of trials by name."""
    groups: dict[str, Group] = {"nobody": repeated, "nobody, busy": repeated_on_a_busy_machine}
    for kind in POINTS:
        groups[f"driver at {kind}"] = partial(driver_at_points, points=POINTS[kind])
    for victim, kinds in MEETS.items():
        for kind in kinds:
            groups[f"{victim} at {kind}"] = partial(others_at_points, victim=victim, points=POINTS[kind])
    for number in range(moments):
        for victim in VICTIMS:
            name = f"{victim} at moment {number}"
            groups[name] = at_random(partial(at_moment, victim=victim), f"{seed} {name}")
    for number in range(INTERRUPTIONS):
        name = f"ctrl-c {number}"
        groups[name] = at_random(ctrl_c, f"{seed} {name}")
    return groups


def at_random(trial: Callable[..., Trial | None], seed: str) -> Group:
    """A trial at a drawn moment; a moment after the end of the run is drawn again."""

    def group(stage: Stage) -> Iterator[Trial]:
        draws = random.Random(seed)
        while (result := trial(stage, moment=draws.uniform(0.5, stage.seconds))) is None:
            pass
        yield result

    return group


def repeated(stage: Stage, where: str = "nothing") -> Iterator[Trial]:
    """The undisturbed run once more."""
    with stage.copy() as home:
        driver = Driver(home, stage.run)
        problems = [] if driver.wait() == 0 else [driver.errors[-1000:]]
        problems += stage.verdict(home)
    yield Trial(victim="nobody", where=where, problems=tuple(problems), recovered_s=None)


def repeated_on_a_busy_machine(stage: Stage) -> Iterator[Trial]:
    """The undisturbed run, while others want the cores."""
    with busy_machine():
        yield from repeated(stage, "nothing, on a busy machine")


@contextmanager
def busy_machine() -> Iterator[None]:
    """Twice as many busy processes as there are cores."""
    idlers = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        yield
    finally:
        for process in idlers:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
