"""What is done to a part of the cluster, and who brings back what has ended."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil

from faults.cluster_node import Node
from faults.cluster_parts import Parts

AWAY_S = 5.0
"""How long PostgreSQL and SeaweedFS are away, besides the time that they take to start."""
FROZEN_S = 60.0
"""How long something is frozen, or a disk full."""
CUT_OFF_S = 30.0
CLOCK_S = 600

Harm = Callable[[Parts, random.Random], bool]
"""Does it, until the part is back or may come back; False where there is no such part at this moment."""


def _kill_actor(name: str) -> Harm:
    def harm(parts: Parts, draws: random.Random) -> bool:
        actors = parts.actors(name)
        if not actors:
            return False
        draws.choice(actors).kill()
        return True

    return harm


def _kill_raylet(node: Callable[[Parts, random.Random], Node]) -> Harm:
    def harm(parts: Parts, draws: random.Random) -> bool:
        chosen = node(parts, draws)
        for raylet in chosen.named("raylet"):
            raylet.kill()
        chosen.wait()  # `ray start` ends what is left of it
        return True

    return harm


def _kill_head(parts: Parts, _draws: random.Random) -> bool:
    parts.head.kill()
    return True


def _kill_postgres(parts: Parts, _draws: random.Random) -> bool:
    parts.postgres.kill()
    time.sleep(AWAY_S)
    parts.postgres.start()
    return True


def _kill_seaweedfs(parts: Parts, _draws: random.Random) -> bool:
    parts.objects.stop()
    time.sleep(AWAY_S)
    parts.objects.start()
    return True


def _freeze_actor(parts: Parts, draws: random.Random) -> bool:
    actors = parts.actors("trainer") + parts.actors("labeller")
    if not actors:
        return False
    _freeze([draws.choice(actors)])
    return True


def _freeze_node(parts: Parts, draws: random.Random) -> bool:
    _freeze(draws.choice(parts.workers).processes())
    return True


def _fill_disk(parts: Parts, draws: random.Random) -> bool:
    node = draws.choice(parts.workers)
    node.fill_disk()
    time.sleep(FROZEN_S)
    node.clear_disk()
    return True


def _set_clock(parts: Parts, draws: random.Random) -> bool:
    draws.choice(parts.workers).set_clock(CLOCK_S)
    return True


def _cut_off(parts: Parts, draws: random.Random) -> bool:
    machine = draws.choice(parts.workers).machine
    machine.cut_off()
    time.sleep(CUT_OFF_S)
    machine.let_back()
    return True


def _freeze(processes: Sequence[psutil.Process]) -> None:
    for number, seconds in ((signal.SIGSTOP, FROZEN_S), (signal.SIGCONT, 0.0)):
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # somebody has ended it meanwhile
                process.send_signal(number)
        time.sleep(seconds)


HARMS: dict[str, Harm] = {
    "labeller": _kill_actor("labeller"),
    "trainer": _kill_actor("trainer"),
    "raylet": _kill_raylet(lambda parts, draws: draws.choice(parts.workers)),
    "driver's raylet": _kill_raylet(lambda parts, _: parts.drivers),
    "head": _kill_head,
    "postgres": _kill_postgres,
    "seaweedfs": _kill_seaweedfs,
    "actor, frozen": _freeze_actor,
    "node, frozen": _freeze_node,
    "node, cut off": _cut_off,
    "node, full disk": _fill_disk,
    "node, wrong clock": _set_clock,
}
"""By what is hit. Drivers are missing: they belong to a trial."""


def bring_back(parts: Parts) -> bool:
    """Start every node again that has ended, as who runs containers does; whether there was any."""
    ended = [node for node in parts.nodes if node.has_ended()]
    for node in ended:
        node.wait()
        node.start()
    return bool(ended)


def set_clocks_right(parts: Parts) -> None:
    """Start nodes whose clock is wrong again, with the right time.

    Were it set back meanwhile, Ray's timers would wait for as long as it was ahead.
    """
    for node in parts.nodes:
        if node.clock_is_wrong():
            node.kill()
            node.set_clock(0)
            node.start()
