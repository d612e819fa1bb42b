"""The fault campaign: kill every part of a small real run at every point of the step protocol and at many moments, and compare.

`python tests/faults/campaign.py --moments 30 --report docs/benchmarks/faults.md` exits with 1 when any run ended otherwise than
the run that was left alone. It takes an hour or more; `tests/integration/test_faults_short.py` is the short form.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.report import write
from support.stage import Driver, Stage, staged
from support.trials import (
    POINTS,
    VICTIMS,
    Trial,
    at_moment,
    ctrl_c,
    driver_at_points,
    others_at_points,
    random_moments,
)

MEETS = {"postgres": tuple(POINTS), "trainer": ("train", "label"), "labeller": ("train", "label")}
"""Kinds of step at whose points a part is killed: actors at those that need actors."""
INTERRUPTIONS = 10


def main() -> int:
    """Run the campaign and write its report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=30, help="random moments for each part that is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--report", type=Path, default=Path("docs/benchmarks/faults.md"))
    options = parser.parse_args()
    began = time.monotonic()
    trials: list[Trial] = []
    with staged() as stage:
        print(f"undisturbed: {stage.seconds:.0f} s", flush=True)
        for trial in campaign(stage, options.moments, options.seed):
            trials.append(trial)
            outcome = "; ".join(trial.problems) or "the same"
            recovered = "" if trial.recovered_s is None else f"{trial.recovered_s:.1f} s"
            print(f"{len(trials):4} {trial.victim:9} {trial.where:45} {recovered:>7} {outcome}", flush=True)
            write(options.report, trials, stage.seconds, options.seed, time.monotonic() - began)
    return 1 if any(trial.problems for trial in trials) else 0


def campaign(stage: Stage, moments: int, seed: int) -> Iterator[Trial]:
    """Every trial, one after the other."""
    yield repeated(stage, "nothing")
    with busy_machine():
        yield repeated(stage, "nothing, on a busy machine")
    for kind in POINTS:
        yield from driver_at_points(stage, kind)
    for victim, kinds in MEETS.items():
        for kind in kinds:
            yield from others_at_points(stage, victim, kind)
    for number, victim in enumerate(VICTIMS):
        draws = random_moments(stage, seed + number)
        yield from at_random(lambda moment, victim=victim: at_moment(stage, victim, moment), draws, moments)
    yield from at_random(
        lambda moment: ctrl_c(stage, moment), random_moments(stage, seed + len(VICTIMS)), INTERRUPTIONS
    )


def at_random(trial, draws: Iterator[float], count: int) -> Iterator[Trial]:
    """`count` trials at drawn moments; a moment after the end of the run is drawn again."""
    done = 0
    while done < count:
        result = trial(next(draws))
        if result is not None:
            done += 1
            yield result


def repeated(stage: Stage, where: str) -> Trial:
    """The undisturbed run once more."""
    with stage.copy() as home:
        driver = Driver(home, stage.run)
        problems = [] if driver.wait() == 0 else [driver.errors[-1000:]]
        problems += stage.verdict(home)
    return Trial(victim="nobody", where=where, problems=tuple(problems), recovered_s=None)


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
