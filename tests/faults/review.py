"""The fault campaign of reviews: `python tests/faults/review.py --report docs/benchmarks/review-faults.md`.

Exits with 1 when anything was lost, came twice or out of order, or should not have come at all. It takes minutes.
`tests/integration/test_review_faults_short.py` is the short form.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.review_campaign import edit_some, feed, knock, problems_of, submit_through_faults
from faults.review_page import Outcome, page
from faults.review_scene import Scene, scene
from support.servers import PostgresServer

ANSWERS, EDITS, GARBAGE, GOOD = 500, 25, 200, 20


def main() -> int:
    """Run the campaign and write its page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, default=Path("docs/benchmarks/review-faults.md"))
    options = parser.parse_args()
    server = PostgresServer()
    try:
        with scene(server, ANSWERS + GARBAGE + GOOD) as staged:
            outcome = campaign(staged, options.seed)
    finally:
        server.stop()
    options.report.write_text(page(outcome))
    print(options.report.read_text())
    return 1 if outcome.problems else 0


def campaign(staged: Scene, seed: int) -> Outcome:
    """Everything, one after the other."""
    slices = sorted(staged.tasks)
    seconds = submit_through_faults(staged, slices[:ANSWERS], seed)
    edit_some(staged, EDITS)
    problems = problems_of(staged)
    made, taken, bridge = len(staged.submitted), len(staged.answers()), staged.bridge_pid
    milliseconds = list(staged.receiver.milliseconds)
    fed = feed(staged, slices[ANSWERS:-GOOD], slices[-GOOD:], seed)
    statuses = knock(staged)
    if staged.bridge_pid != bridge:
        problems.append("garbage made the bridge end")
    return Outcome(
        made=made,
        edits=EDITS,
        taken=taken,
        good=GOOD,
        problems=problems,
        restarts=staged.restarts,
        seconds=seconds,
        milliseconds=milliseconds,
        fed=fed,
        statuses=statuses,
    )


if __name__ == "__main__":
    sys.exit(main())
