"""What a push and a pull of a whole pool cost, against what Label Studio itself takes to import the same payload."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from statistics import median

from bench.bridge import Bridge, milliseconds, summary
from bench.ward import Ward, warded
from maskloom.platform.run_facts import Run

CHANGED = 20
TURNS = 5
_SETTLES_S = 11.0
"""A pull asks again for what changed in the last ten seconds."""


def measure(bridge: Bridge) -> dict[str, float]:
    """Seconds and ratios, each the median of some turns; milliseconds of webhooks during a pull."""
    with warded(bridge) as ward:
        portions = ward.sent()
        whole = json.dumps([task for body in portions for task in json.loads(body)]).encode()
        runs = [ward.run(f"reader-{turn}") for turn in range(TURNS)]
        turns = [_out(ward, run, whole, portions) for run in runs]
        figures = {part: median(turn[part] for turn in turns) for part in turns[0]}
        again_s = median(_seconds(lambda: ward.push(runs[-1])) for _ in range(TURNS))
        return {
            **figures,
            "again_s": again_s,
            **_back(ward, runs[-1]),
            "megabytes": len(whole) / 1e6,
            "portions": len(portions),
        }


def _out(ward: Ward, run: Run, whole: bytes, portions: list[bytes]) -> dict[str, float]:
    first, second = ward.new_project(), ward.new_project()
    whole_s = _seconds(lambda: ward.send(first, [whole]))
    push_s = _seconds(lambda: ward.push(run))
    portions_s = _seconds(lambda: ward.send(second, portions))
    return {
        "whole_s": whole_s,
        "portions_s": portions_s,
        "push_s": push_s,
        "push_over_whole": push_s / whole_s,
        "push_over_portions": push_s / portions_s,
    }


def _back(ward: Ward, run: Run) -> dict[str, float]:
    time.sleep(_SETTLES_S)
    hooks = _hooks_during_a_pull(ward, run)
    hand = ward.hand(run)
    slices, pulls = iter(hand.unread()), []
    for _ in range(TURNS):
        for _, digest in zip(range(CHANGED), slices, strict=False):
            hand.submit(digest, hand.shown(digest), 5.0)
        pulls.append(_seconds(lambda: ward.pull(run, CHANGED)))
        time.sleep(_SETTLES_S)
        ward.pull(run, 0)
    return {"pull_s": median(pulls), **summary("busy_webhook", hooks)}


def _hooks_during_a_pull(ward: Ward, run: Run) -> list[float]:
    """Milliseconds of webhooks while a run is pulled for the first time, which reads all tasks."""
    pull = threading.Thread(target=ward.pull, args=(run, 0))
    pull.start()
    found = []
    while pull.is_alive():
        found.append(milliseconds(ward.bridge.hook))
    pull.join()
    return found


def _seconds(work: Callable[[], None]) -> float:
    return milliseconds(work) / 1000
