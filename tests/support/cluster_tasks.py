"""A driver of a Ray cluster in a process of its own, and the actor it uses.

`python cluster_tasks.py ADDRESS FOLDER` uses the cluster at ADDRESS, or with `-` one of its own, in every way and prints what
came of it as JSON; then it waits for its standard input to end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from maskloom.platform.cluster import Cluster, call, kill, result
from maskloom.platform.errors import MaskloomError, SettingsError
from maskloom.platform.pool import Pool
from maskloom.platform.seats import ANYWHERE, Seats


class Worker:
    """An actor that works, fails or dies, as its task says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def square(self, number: int) -> int:
        return number * number

    def meet(self, number: int) -> tuple[int, int]:
        """Answer once another actor has such a task as well."""
        (self._folder / f"met-{os.getpid()}").touch()
        while len(list(self._folder.glob("met-*"))) < 2:
            time.sleep(0.01)
        return number, os.getpid()

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def fail(self, _number: int) -> None:
        raise SettingsError("this cannot be used", hint="Use another.")

    def die(self, number: int) -> None:
        (self._folder / f"died-{number}-{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    def freeze_once(self, number: int) -> int:
        frozen = self._folder / "frozen"
        if number == 3 and not frozen.exists():
            frozen.touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        return number

    def die_once(self, number: int) -> int:
        if number == 3 and not list(self._folder.glob("died-3-*")):
            self.die(number)
        return number


class Unmade:
    """An actor that cannot be made."""

    def __init__(self) -> None:
        raise OSError("no such device")


def use(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """What came of every way of using a cluster."""

    def start(_place: int = 0) -> Any:
        return cluster.start("support.cluster_tasks:Worker", [folder])

    def unmade(_place: int) -> Any:
        return cluster.start("support.cluster_tasks:Unmade", [])

    def tasks(method: str, count: int) -> list[Any]:
        pool = Pool(start, 2)
        try:
            return sorted(pool.do(method, range(count), lambda: None))
        finally:
            pool.close()

    def most_drawn() -> int:
        """How many tasks are drawn of a stream, beyond those whose results have come."""
        drawn: list[int] = []
        most = 0

        def stream() -> Iterator[int]:
            for number in range(50):
                drawn.append(number)
                yield number

        pool = Pool(start, 2)
        for came, _ in enumerate(pool.do("square", stream(), lambda: None)):
            most = max(most, len(drawn) - came)
        pool.close()
        return most

    def beside_one_without_a_place() -> list[int]:
        """What is done while the pool's other actor waits for a machine that nobody has."""
        seats = [Seats(None, {"num_cpus": 10**6}), ANYWHERE]
        pool = Pool(lambda place: cluster.start("support.cluster_tasks:Worker", [folder], seats[place]), 2)
        try:
            return sorted(number for number, _ in pool.do("square", range(6), lambda: None))
        finally:
            pool.close()

    def seated() -> list[list[str]]:
        """By seat: the GPUs that its two actors see."""
        seats = cluster.reserve(2, gpus=cluster.gpus() > 0, spread=False)
        pairs = [
            [cluster.start("support.cluster_tasks:Worker", [folder], seats, seat) for _ in range(2)]
            for seat in range(2)
        ]
        seen = [
            [result(call(one, "environment")).get("CUDA_VISIBLE_DEVICES", "") for one in pair]
            for pair in pairs
        ]
        seats.give_back()
        return seen

    met = tasks("meet", 20)
    actor = start()
    found = {
        "squares": tasks("square", 20),
        "met": [number for _, (number, _) in met],
        "processes": len({pid for _, (_, pid) in met} - {os.getpid()}),
        "after a death": tasks("die_once", 8),
        "beside a frozen one": tasks("freeze_once", 8),
        "most drawn": most_drawn(),
        "beside one without a place": beside_one_without_a_place(),
        "that cannot be made": told(lambda: sorted(Pool(unmade, 2).do("square", range(3), lambda: None))),
        "error of a call": told(lambda: result(call(actor, "fail", 1))),
        "error of a task": told(lambda: tasks("fail", 4)),
        "deadly task": told(lambda: tasks("die", 1)),
        "deaths": len(list(folder.glob("died-0-*"))),
        "gpus": cluster.gpus(),
        "seats": seated(),
        "environment": result(call(actor, "environment")),
    }
    kill([actor])
    return found


def told(action: Callable[[], object]) -> str:
    """The error that an action ends with, as a person sees it."""
    try:
        action()
    except MaskloomError as error:
        return f"{type(error).__name__}: {error.message} {error.hint}"
    return "nothing"


def main(address: str, folder: Path) -> None:
    cluster = Cluster(None if address == "-" else address)
    refusal = told(cluster.connect)
    if refusal != "nothing":
        print(json.dumps({"refused": refusal}), flush=True)
        return
    found = {"token": os.environ.get("RAY_AUTH_TOKEN")}
    print(json.dumps(found | use(cluster, folder)), flush=True)
    sys.stdin.read()
    cluster.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
