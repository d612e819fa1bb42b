"""A driver whose own node of the Ray cluster is killed: prints the error of what it starts next, as JSON."""

from __future__ import annotations

import json

import psutil

from maskloom.platform.cluster import Cluster, call, result
from maskloom.platform.errors import MaskloomError


class Worker:
    """An actor that answers."""

    def answer(self) -> bool:
        return True


def main() -> None:
    cluster = Cluster(None)
    import ray

    actor = cluster.start("support.lost_node:Worker", [])
    assert result(call(actor, "answer"))
    for process in psutil.Process().children():
        if process.name() == "raylet":
            process.kill()
    try:
        while True:
            result(call(actor, "answer"))
    except ray.exceptions.RayActorError:
        pass
    try:
        cluster.start("support.lost_node:Worker", [])
    except MaskloomError as error:
        print(json.dumps([type(error).__name__, error.message, error.hint]))


if __name__ == "__main__":
    main()
