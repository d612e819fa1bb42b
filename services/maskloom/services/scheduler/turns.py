"""Whose turn it is: which waiting runs start, and which running ones give way.

Owners take turns: a free place goes to who has the fewest runs at work, and among those to whose last turn is longest ago. Of
an owner's runs the one goes first that has waited longest, where urgent ones have a head start. When somebody waits and no
place is free, runs that have had their time give way. So every run that waits gets a turn, whatever its priority.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maskloom.platform.run_facts import Priority, Ticket

TURN_S = 600.0
"""How long a run of normal priority goes on while others wait. Changing costs seconds: a driver starts and loads a network."""
LONGER = {Priority.LOW: 0.5, Priority.NORMAL: 1.0, Priority.HIGH: 4.0}
"""How many times as long a run's turns are."""
HEAD_START_S = {Priority.LOW: -3 * 3600.0, Priority.NORMAL: 0.0, Priority.HIGH: 3 * 3600.0}
"""Added to how long a run has waited. A factor in its place would let a low one wait for days behind a few high ones."""
_PATIENCE_S = 5.0
"""Nobody gives way to a run that waits shorter: another scheduler may have a place for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A wanted run that nobody drives, and for how many seconds it has waited."""

    run: str
    ticket: Ticket
    waited_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A run that is driven for `ran_s` seconds now, by this scheduler (`ours`) or by somebody else."""

    run: str
    ticket: Ticket
    ran_s: float
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Runs to start, in this order, and runs of ours to stop for now."""

    start: tuple[str, ...] = ()
    give_way: tuple[str, ...] = ()


def decide(
    waiting: Iterable[Waiting], running: Iterable[Running], last_turns: Mapping[str, float], places: int
) -> Decision:
    """What a scheduler with `places` for runs does now. `last_turns`: seconds since an owner's last turn; none is long ago."""
    left, at_work = list(waiting), list(running)
    busy = Counter(one.ticket.owner for one in at_work)
    since = dict(last_turns)
    start = []
    for _ in range(places - sum(one.ours for one in at_work)):
        if not left:
            break
        chosen = min(left, key=lambda one: _rank(one, busy, since))
        left.remove(chosen)
        start.append(chosen.run)
        busy[chosen.ticket.owner] += 1
        since[chosen.ticket.owner] = 0.0
    impatient = sum(one.waited_s > _PATIENCE_S for one in left)
    over = [one for one in at_work if one.ours and one.ran_s > TURN_S * LONGER[one.ticket.priority]]
    over.sort(key=lambda one: (-busy[one.ticket.owner], -one.ran_s))
    return Decision(start=tuple(start), give_way=tuple(one.run for one in over[:impatient]))


def _rank(
    one: Waiting, busy: Mapping[str, int], since: Mapping[str, float]
) -> tuple[float, float, float, str]:
    owner = one.ticket.owner
    waited_s = one.waited_s + HEAD_START_S[one.ticket.priority]
    return busy[owner], -since.get(owner, math.inf), -waited_s, one.run
