"""The hostile requests: `python tests/faults/hostile.py` says what came of them, and exits with 1 where anything got in.

`make test-service-faults` runs this and `service_campaign.py`. `tests/integration/test_hostile_short.py` is the short form.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.hostile_campaign import Result, campaign
from faults.hostile_scene import attacked
from support.servers import PostgresServer


def main() -> int:
    """Send them all and print what came of it; the exit code."""
    result = run()
    print(section(result))
    return 1 if result.problems else 0


def run() -> Result:
    """Send them all to a service of its own."""
    server = PostgresServer()
    try:
        with attacked(server) as target:
            return campaign(target)
    finally:
        server.stop()


def section(result: Result) -> str:
    """The outcome as a part of a page."""
    lines = ["| what | kind | sent | answers |", "| --- | --- | --- | --- |"]
    for group, kinds in result.answers.items():
        for kind, answers in kinds.items():
            said = ", ".join(f"{status}: {count}" for status, count in sorted(answers.items()))
            lines.append(f"| {group} | {kind} | {sum(answers.values())} | {said} |")
    before, after = result.megabytes
    verdict = "none got in, and none brought it down" if not result.problems else "**not all was well**"
    lines += [
        "",
        f"{result.sent:,} requests: {verdict}. Memory before {before:.0f} MiB, after {after:.0f} MiB.",
    ]
    return "\n".join([*lines, "", *(f"- {problem}" for problem in result.problems)]).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
