"""A driver of a Ray cluster in a process of its own, and the actor it uses.

`python cluster_tasks.py ADDRESS FOLDER` uses the cluster at ADDRESS, or with `-` one of its own, in every way and prints what
came of it as JSON; then it waits for its standard input to end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maskloom.platform.cluster import Cluster, call, kill, result, run_tasks
from maskloom.platform.errors import MaskloomError, SettingsError


class Worker:
    """An actor that works, fails or dies, as its task says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def square(self, number: int) -> tuple[int, int]:
        return number * number, os.getpid()

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def fail(self, _number: int) -> None:
        raise SettingsError("this cannot be used", hint="Use another.")

    def die(self, number: int) -> None:
        (self._folder / f"died-{number}-{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    def die_once(self, number: int) -> int:
        if number == 3 and not list(self._folder.glob("died-3-*")):
            self.die(number)
        return number


def use(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """What came of every way of using a cluster."""

    def start() -> Any:
        return cluster.start("support.cluster_tasks:Worker", [folder], gpus=0)

    def tasks(method: str, count: int) -> list[Any]:
        actors = [start(), start()]
        answers = sorted(run_tasks(actors, start, method, range(count), lambda: None))
        kill(actors)
        return answers

    squares = tasks("square", 20)
    actor = start()
    found = {
        "squares": [number for _, (number, _) in squares],
        "processes": len({pid for _, (_, pid) in squares} - {os.getpid()}),
        "after a death": tasks("die_once", 8),
        "error of a call": told(lambda: result(call(actor, "fail", 1))),
        "error of a task": told(lambda: tasks("fail", 4)),
        "deadly task": told(lambda: tasks("die", 1)),
        "deaths": len(list(folder.glob("died-0-*"))),
        "gpus": cluster.gpus(),
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
