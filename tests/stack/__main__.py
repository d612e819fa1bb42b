"""`make stack`: all parts of deploy/compose.yaml as plain processes, and the demo with readers through them. Takes minutes.

It ends all it has started, and exits with 1 when anything is not as it should be. Not among the parts are Prometheus and
Grafana; what Prometheus would be told is asked for.
"""

from __future__ import annotations

import os
import shutil
import time
import urllib.request
from collections import defaultdict

import minio
from rich.console import Console

from maskloom.services.words import duration
from stack.parts import NODES, SECRETS, Stack, running
from stack.work import work
from support.servers import short_folder

_MASKS = 36 + 120
"""The labelled and unlabelled slices of the demo."""


def main() -> None:
    """Start everything, work, look at what came of it, and end everything."""
    for name in [name for name in os.environ if name.startswith(("MASKLOOM_", "RAY_", "AWS_"))]:
        del os.environ[name]
    console, folder, began = Console(), short_folder(), time.monotonic()
    with running(folder) as stack:
        for name, address in stack.addresses.items():
            console.print(f"{name:14} {address}")
        console.print(f"started in {duration(time.monotonic() - began)}")
        seen: dict[str, set[str]] = defaultdict(set)

        def look() -> None:
            for node, actors in stack.actors().items():
                seen[node] |= actors

        try:
            record, masks = work(stack, console, look)
            check(stack, seen, masks)
        except BaseException:
            for name, server in stack.servers.items():
                console.rule(name)
                console.print(server.said()[-3000:], markup=False)
            raise
    shutil.rmtree(folder)
    dice = record["measures"]["dice"]
    console.print(
        f"run {record['run']}: {record['rounds_done']} rounds, all read; Dice {dice['value']:.3f}, {masks} masks"
    )
    console.print(
        f"Everything is as it should be. It took {duration(time.monotonic() - began)}.", style="bold green"
    )


def check(stack: Stack, seen: dict[str, set[str]], masks: int) -> None:
    """Whether every part has done its own."""
    assert masks == _MASKS, f"{masks} masks were exported"
    for node in NODES:
        has_actors = bool(seen[node])
        assert has_actors == node.startswith("ray-worker"), f"actors of {node}: {seen[node]}"
    said = urllib.request.urlopen(stack.addresses["api"] + "/metrics", timeout=10).read().decode()
    assert 'maskloom_runs{status="finished"} 1.0' in said, said
    secret = stack.variables["S3_SECRET"]
    bucket = minio.Minio(stack.addresses["SeaweedFS"], stack.variables["S3_KEY"], secret, secure=False)
    objects = sum(1 for _ in bucket.list_objects("maskloom", "objects/", recursive=True))
    assert objects > _MASKS, f"the bucket has {objects} objects"
    for name, server in stack.servers.items():
        leaked = [key for key in SECRETS if stack.variables[key] in server.said()]
        assert not leaked, f"{name} has written {leaked} into its log"


if __name__ == "__main__":
    main()
