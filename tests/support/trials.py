"""One fault each: kill something at a point of the step protocol or at a moment, let the run end, compare."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support.stage import VICTIMS, Driver, Stage, answers, interrupt, until_answering, until_gone

POINTS = {
    "train": (
        "progress_saved:train:1",
        "leased:train:2",
        "ran:train:2",
        "committing:train:3",
        "committed:train:4",
    ),
    "sample": ("leased:sample", "ran:sample", "committing:sample", "committed:sample"),
    "label": (
        "progress_saved:label:1",
        "leased:label:2",
        "ran:label:2",
        "committing:label:3",
        "committed:label:4",
    ),
    "gate": ("leased:gate", "progress_saved:gate:1", "ran:gate", "committing:gate", "committed:gate"),
    "merge": ("leased:merge", "ran:merge", "committing:merge", "committed:merge"),
    "rest": ("leased:rest", "ran:rest", "committing:rest", "committed:rest"),
}
"""Every point of each kind of step, in the order in which a run comes by: trainer and labeller then live where they can."""
SAVING = {"SMALL_RUN_SAVES_EVERY_S": "0.2"}
WORKS_IN = {"trainer": "train", "labeller": "label"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was killed and when, and what came of it."""

    victim: str
    where: str
    problems: tuple[str, ...]
    """What is otherwise than after the undisturbed run, or went wrong on the way; empty when nothing is."""
    recovered_s: float | None
    """From the kill until the run got on: the driver, started again at once, worked at a step; PostgreSQL answered; an actor's
    successor worked. None where nobody needed the victim again."""
    note: str = ""


def driver_at_points(stage: Stage, points: Sequence[str]) -> Iterator[Trial]:
    """Kill the driver at each of these points of a step, each time starting it again."""
    killed: list[tuple[str, Driver]] = []
    recovered: list[float] = []
    problems: list[str] = []
    with stage.copy() as home:
        for point in points:
            # A process counts for itself, and what is committed is not reached again.
            name, of_kind, *_ = point.split(":")
            driver = Driver(home, stage.run, MASKLOOM_FAILPOINT=f"{name}:{of_kind}", **SAVING)
            if killed:
                recovered.append(working_again(driver))
            if driver.wait() != -9:
                problems.append(f"did not reach {point}: {driver.errors[-500:]}")
            killed.append((point, driver))
        last = Driver(home, stage.run)
        recovered.append(working_again(last))
        problems += _ended(last)
        problems += stage.verdict(home)
    for (point, _), seconds in zip(killed, recovered, strict=True):
        yield Trial(victim="driver", where=point, problems=tuple(problems), recovered_s=seconds)


def others_at_points(stage: Stage, victim: str, points: Sequence[str]) -> Iterator[Trial]:
    """Stop the driver at each of these points of a step, kill `victim` there, and let the driver go on."""
    places: list[tuple[str, float | None]] = []
    problems: list[str] = []
    with stage.copy() as home:
        environment = {"MASKLOOM_FAILPOINT": ",".join(points), "MASKLOOM_FAILPOINT_SIGNAL": "SIGSTOP"}
        driver = Driver(home, stage.run, **environment, **SAVING)
        killed_at = []
        for point in points:
            if not driver.stopped():
                problems.append(f"did not reach {point}: {driver.errors[-500:]}")
                break
            process = driver.victim(victim)
            if process is not None:
                process.kill()
                until_gone([process])
                killed_at.append((point, time.monotonic()))
            driver.process.send_signal(signal.SIGCONT)
            if process is not None and victim == "postgres":
                places.append((point, until_answering(home) - killed_at[-1][1]))
        problems += _ended(driver)
        if victim != "postgres":
            places = [(point, gap(driver, victim, moment)) for point, moment in killed_at]
        problems += stage.verdict(home)
    for point, seconds in places:
        yield Trial(victim=victim, where=point, problems=tuple(problems), recovered_s=seconds)


def at_moment(stage: Stage, *, victim: str, moment: float) -> Trial | None:
    """Kill `victim` so many seconds after the start, or as soon as it lives. None when the run ends before."""
    with stage.copy() as home:
        driver = Driver(home, stage.run, SMALL_RUN_SAVES_EVERY_S="1")
        time.sleep(moment)
        while (process := driver.victim(victim)) is None:
            if driver.process.poll() is not None:
                driver.wait()
                return None
            time.sleep(0.02)
        where = place(driver)
        family = driver.family()
        process.kill()
        killed = time.monotonic()
        if victim == "driver":
            driver.wait()
            seconds, problems, note = _start_again(stage, home, family, killed)
        elif victim == "postgres":
            until_gone([process])
            seconds = _back(home, driver) and time.monotonic() - killed
            problems, note = _ended(driver), ""
        else:
            problems = _ended(driver)
            seconds, note = gap(driver, victim, killed), ""
        problems += stage.verdict(home)
    return Trial(
        victim=victim,
        where=f"{moment:.1f} s, {where}",
        problems=tuple(problems),
        recovered_s=seconds,
        note=note,
    )


def ctrl_c(stage: Stage, *, moment: float) -> Trial | None:
    """Press Ctrl-C so many seconds after the start. `recovered_s` is how long the process took to end.

    None when the run ends before it hears of it.
    """
    with stage.copy() as home:
        driver = Driver(home, stage.run)
        time.sleep(moment)
        if driver.process.poll() is not None:
            driver.wait()
            return None
        where, family = place(driver), driver.family()
        pressed = time.monotonic()
        interrupt(driver)
        code = driver.wait()
        took = time.monotonic() - pressed
        if code == 0 and driver.events[-1][1]["event"] == "finished":
            return None
        problems = [] if code == 130 else [f"exit code {code} instead of 130: {driver.errors[-500:]}"]
        note = f"its actors were gone {until_gone(family):.1f} s later"
        last = Driver(home, stage.run)
        problems += _ended(last)
        problems += stage.verdict(home)
    return Trial(
        victim="ctrl-c",
        where=f"{moment:.1f} s, {where}",
        problems=tuple(problems),
        recovered_s=took,
        note=note,
    )


def _start_again(
    stage: Stage, home: Path, family: list[psutil.Process], killed: float
) -> tuple[float, list[str], str]:
    driver = Driver(home, stage.run)
    seconds = driver.began - killed + working_again(driver)
    problems = _ended(driver)
    return seconds, problems, f"the old actors were gone after {until_gone(family):.1f} s"


def working_again(driver: Driver) -> float:
    """Seconds until a driver has got on with a step that was not done yet, or has died of it at a failpoint."""
    begun = set()

    def got_on(event: dict[str, Any]) -> bool:
        if event["event"] == "started":
            begun.add(event["kind"])
        return event["event"] in {"progress", "finished"} or (
            event["event"] == "done" and event["kind"] in begun
        )

    return (driver.told(got_on) or time.monotonic()) - driver.began


def gap(driver: Driver, victim: str, killed: float) -> float | None:
    """Seconds until an actor, or its successor, gets on."""
    kind = WORKS_IN[victim]
    moment = driver.told(lambda event: event["event"] == "progress" and event["kind"] == kind, killed)
    return None if moment is None else moment - killed


def _back(home: Path, driver: Driver) -> bool | None:
    """Wait until PostgreSQL answers; None when the driver ended without needing it again."""
    while not answers(home):
        if driver.process.poll() is not None:
            return None
        time.sleep(0.05)
    return True


def _ended(driver: Driver) -> list[str]:
    """Problems of a driver that should have ended well."""
    code = driver.wait()
    return [] if code == 0 else [f"exit code {code}: {driver.events[-1:]} {driver.errors[-1000:]}"]


def place(driver: Driver) -> str:
    """What the driver was at."""
    if not driver.events:
        return "before the first step"
    event = driver.events[-1][1]
    rounds = f" of round {event['round']}" if event.get("round") else ""
    steps = f" at {event['done']}/{event['total']}" if "total" in event else ""
    return f"{event['event']} {event.get('kind', '')}{rounds}{steps}"


__all__ = [
    "VICTIMS",
    "Trial",
    "at_moment",
    "ctrl_c",
    "driver_at_points",
    "gap",
    "others_at_points",
    "place",
    "working_again",
]
