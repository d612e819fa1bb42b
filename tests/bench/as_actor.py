"""Run a measurement in a process of its own that has the environment of an actor, where its work is done in a run."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from maskloom.platform.cluster import ACTOR_ENVIRONMENT


def as_actor(module: str, *arguments: Any) -> Any:
    """What `measure(*arguments)` of `module` returns there; both go through JSON."""
    tests = str(Path(__file__).parents[1])
    environment = {"PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}
    said = subprocess.run(
        [sys.executable, "-m", "bench.as_actor", module, json.dumps(arguments)],
        env=os.environ | ACTOR_ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    measured = importlib.import_module(sys.argv[1]).measure(*json.loads(sys.argv[2]))
    print(json.dumps(measured))
