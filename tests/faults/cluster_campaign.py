"""The fault campaign on a cluster: hit each of its parts at random moments of a small real run, and compare.

`python tests/faults/cluster_campaign.py --moments 10` exits with 1 when any run ended otherwise than the one left alone.
Every trial is noted in a file at once, from which a campaign that was interrupted goes on. It wants root,
redis-server and gcc.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import notes, report
from faults.cluster_parts import running
from faults.cluster_stage import ClusterStage, staged
from faults.cluster_trials import VICTIMS, at_moment, undisturbed
from support.trials import Trial

_INTRODUCTION = """# Faults of a cluster

What `make test-cluster-faults` does: a cluster of real processes on one machine (a Ray head that keeps what it knows in
Redis, two worker nodes with a core each, a node for drivers, each with a network, processes, a disk and a clock of its
own, as containers have them; a separate PostgreSQL; SeaweedFS) drives a small real run with two workers (synthetic CT
of 64 pixels, three rounds of `semi-inf-net-quick`). It is left alone once. Then it is done again and again, and each
time a part is hit at a random moment: killed with `kill -9`, frozen for 60 s, or cut off from the others for 30 s.
Nodes that end are started again, PostgreSQL and SeaweedFS after 5 s, and a driver that died or ended with "try again
later" as the scheduler does it. In the end the whole catalog is compared with that of the run that was left alone:
steps and outputs, checkpoints (sha256), label versions, gate decisions, dataset versions and blobs, row by row. "The
same" also means: no step with two results, no lease still held, no progress left behind, every blob there and whole,
and no actor left.

The parts: `labeller` and `trainer` are actors, one of two each, hit while they work; `raylet` is that of a worker node,
with which the node and its actors end, `driver's raylet` that of the node by which drivers reach the cluster; `head` is
all of the head's node; `actor, frozen` is one process, `node, frozen` a whole worker node. A worker node is cut off,
has a full disk for 60 s, or to the end of the run a clock that is 10 minutes ahead. When `driver` is cut off, with its
machine, another driver takes the run over while the first still lives; when that comes back, nothing it has in hand may
count.

Recovery is the time from the fault until the run got on with everything back: what the parts need to start, or the 60
s, included. For an actor it is until work of its kind got on, by the other one or its successor. It is empty where the
run had ended before that: nobody needed the part again.
"""


def main() -> int:
    """Run the campaign and write its report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=10, help="random moments for each part")
    parser.add_argument("--only", choices=VICTIMS, nargs="+", default=VICTIMS, help="parts to hit")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--report", type=Path, default=Path("docs/benchmarks/cluster-faults.md"))
    parser.add_argument(
        "--notes", type=Path, default=Path(".cluster-faults.jsonl"), help="what is done so far"
    )
    options = parser.parse_args()
    if os.geteuid() != 0 or not all(map(shutil.which, ("redis-server", "gcc"))):
        print("this wants root, and: apt-get install redis-server gcc libc6-dev", file=sys.stderr)
        return 2
    done = notes.read(options.notes)
    groups = [f"{part} at moment {n}" for n in range(options.moments) for part in options.only] + ["nobody"]
    with running() as parts:
        stage = staged(parts)
        print(f"undisturbed: {stage.seconds:.0f} s", flush=True)
        for name in groups:
            if name not in done:
                done[name] = [_trial(stage, name, f"{options.seed} {name}")]
                notes.add(options.notes, name, done[name])
                report.tell(done[name][0])
            in_order = [trial for known in groups for trial in done.get(known, [])]
            report.write(options.report, in_order, stage.seconds, options.seed, introduction(in_order))
    options.notes.unlink()
    return 1 if any(trial.problems for trials in done.values() for trial in trials) else 0


def introduction(trials: Sequence[Trial]) -> str:
    """What the page says before its figures; which parts nobody has hit so far is among it."""
    left = [part for part in VICTIMS if part not in {trial.victim for trial in trials}]
    return _INTRODUCTION + (f"\nNot hit in this campaign: {'; '.join(left)}.\n" if left else "")


def _trial(stage: ClusterStage, name: str, seed: str) -> Trial:
    """The trial of that name; a moment after the end of the run is drawn again."""
    if name == "nobody":
        return undisturbed(stage)
    draws = random.Random(seed)
    victim = name.partition(" at moment")[0]
    while (
        trial := at_moment(stage, victim=victim, moment=draws.uniform(0.5, stage.seconds), seed=seed)
    ) is None:
        pass
    return trial


if __name__ == "__main__":
    sys.exit(main())
