"""One fault of a cluster each: hit a part at a moment, bring back what ends, let the run end, compare."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from faults.cluster_harm import CUT_OFF_S, HARMS, bring_back, set_clocks_right
from faults.cluster_node import Node
from faults.cluster_stage import ClusterStage, Copy
from maskloom.platform.catalog import leases
from support.stage import Driver
from support.trials import WORKS_IN, Trial, place

VICTIMS = (*HARMS, "driver", "driver, cut off")
_LATER = 75  # what a driver ends with that may be started again: as the scheduler has it
_TRIES = 10
_PATIENCE_S = 900.0
_GONE_S = 60.0
_SUPERSEDED_S = 120.0
_LOOK_S = 0.2


class Drivers:
    """Drives a copy to its end as the scheduler does: a driver that died or could not go on is followed by another."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self.all = [copy.driver()]
        self.problems: list[str] = []

    def another(self, node: Node) -> None:
        """One more although the newest has not ended: a scheduler that finds its lease expired starts one."""
        self.all.append(self._copy.driver(node))

    def end(self) -> None:
        """Wait until nobody drives any more. Who was superseded has to find that out by itself."""
        for driver in self.all:
            try:
                driver.process.wait(_SUPERSEDED_S)
            except subprocess.TimeoutExpired:
                self.problems.append(f"a driver is still there: {place(driver)}")
                driver.process.kill()
            driver.wait()

    @property
    def newest(self) -> Driver:
        """Who drives now, or did last."""
        return self.all[-1]

    def over(self) -> bool:
        """Whether the run has ended, well or not; starts another driver where one is needed."""
        if self.newest.process.poll() is None:
            return False
        code = self.newest.wait()
        if code == 0:
            return True
        if self.failed() or len(self.all) > _TRIES:
            self.problems.append(f"exit code {code}: {self.newest.events[-1:]} {self.newest.errors[-1000:]}")
            return True
        time.sleep(min(2.0 ** (len(self.all) - 2), 30.0))
        self.all.append(self._copy.driver())
        return False

    def failed(self) -> bool:
        """Whether the newest driver has said that it is no use to go on."""
        last = self.newest.events[-1][1] if self.newest.events else {}
        return last.get("event") == "error" and self.newest.process.returncode != _LATER

    def got_on(self, since: float, kinds: set[str] | None) -> float | None:
        """When a driver first told after `since` of work, of any or of these kinds."""
        moments = [
            moment
            for driver in self.all
            for moment, event in _work(driver)
            if moment >= since and (kinds is None or event.get("kind") in kinds)
        ]
        return min(moments, default=None)

    def ends(self) -> str:
        """How all but the last driver ended, in words."""
        told = [
            f"{one.process.returncode}{_error(one)}" for one in self.all[:-1] if one.process.returncode != -9
        ]
        return f"drivers ended with {', '.join(told)}" if told else ""


def at_moment(stage: ClusterStage, *, victim: str, moment: float, seed: str) -> Trial | None:
    """Hit `victim` so many seconds after the start, or as soon as it is there. None when the run ends before."""
    draws = random.Random(seed)
    with stage.copy() as copy:
        drivers = Drivers(copy)
        time.sleep(moment)
        while True:
            if drivers.newest.process.poll() is not None and drivers.over():
                return None
            where, hit = place(drivers.newest), time.monotonic()
            if _harmed(stage, drivers, victim, draws):
                break
            time.sleep(_LOOK_S)
        back = _driven_on(stage, drivers)
        got_on = drivers.got_on(back, {WORKS_IN[victim]} if victim in WORKS_IN else None)
        problems = [*drivers.problems, *_left(stage), *stage.verdict(copy)]
    took = time.monotonic() - drivers.all[0].began
    notes = [f"the run took {took - stage.seconds:+.0f} s", drivers.ends()]
    return Trial(
        victim=victim,
        where=f"{moment:.1f} s, {where}",
        problems=tuple(problems),
        recovered_s=None if got_on is None else got_on - hit,
        note="; ".join(note for note in notes if note),
    )


def undisturbed(stage: ClusterStage) -> Trial:
    """The undisturbed run once more."""
    with stage.copy() as copy:
        drivers = Drivers(copy)
        _driven_on(stage, drivers)
        problems = [*drivers.problems, *_left(stage), *stage.verdict(copy)]
    return Trial(victim="nobody", where="nothing", problems=tuple(problems), recovered_s=None)


def _harmed(stage: ClusterStage, drivers: Drivers, victim: str, draws: random.Random) -> bool:
    if victim == "driver":
        drivers.newest.process.kill()
    elif victim == "driver, cut off":
        machine = stage.parts.drivers.machine
        machine.cut_off()
        time.sleep(leases.LEASE_S + 2)
        drivers.another(stage.parts.head)
        time.sleep(CUT_OFF_S - leases.LEASE_S - 2)
        machine.let_back()
    elif victim in WORKS_IN and not _is_at(drivers.newest, WORKS_IN[victim]):
        return False
    else:
        return HARMS[victim](stage.parts, draws)
    return True


def _is_at(driver: Driver, kind: str) -> bool:
    """Whether it waits for work of that kind."""
    last = driver.events[-1][1] if driver.events else {}
    return last.get("event") in {"started", "progress"} and last.get("kind") == kind


def _driven_on(stage: ClusterStage, drivers: Drivers) -> float:
    """Bring back what has ended until the run is over; since when everything is there."""
    began = back = time.monotonic()
    while not drivers.over():
        if bring_back(stage.parts):
            back = time.monotonic()
        if time.monotonic() - began > _PATIENCE_S:
            drivers.problems.append(f"has not ended after {_PATIENCE_S:.0f} s: {place(drivers.newest)}")
            drivers.newest.process.kill()
            drivers.newest.wait()
            break
        time.sleep(_LOOK_S)
    drivers.end()
    while bring_back(stage.parts):
        back = time.monotonic()
    set_clocks_right(stage.parts)
    return back


def _left(stage: ClusterStage) -> list[str]:
    """Actors that do not end although their driver has."""
    began = time.monotonic()
    while left := [one for name in WORKS_IN for one in stage.parts.actors(name)]:
        if time.monotonic() - began > _GONE_S:
            return [f"{len(left)} actors are still there"]
        time.sleep(_LOOK_S)
    return []


def _work(driver: Driver) -> Iterator[tuple[float, dict[str, Any]]]:
    """What a driver told of getting on. Steps that it did not begin were done before: it only names them."""
    begun = set()
    for moment, event in driver.events:
        if event["event"] == "started":
            begun.add((event["kind"], event["round"]))
        if event["event"] in {"progress", "finished"} or (
            event["event"] == "done" and (event["kind"], event["round"]) in begun
        ):
            yield moment, event


def _error(driver: Driver) -> str:
    last = driver.events[-1][1] if driver.events else {}
    return f" ({last['type']})" if last.get("event") == "error" else ""
