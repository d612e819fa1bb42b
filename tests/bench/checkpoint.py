"""What a checkpoint costs in a round, part by part: from weights to a blob in the store, and back into a network."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maskloom.models.infnet import build
from maskloom.models.parameters import NetworkParameters
from maskloom.pipelines.workers.place import HeldNetwork
from maskloom.platform.objects.store import ObjectStore, open_store

REPEATS = 40


def measure() -> dict[str, float]:
    """Median seconds of each part, of semi-inf-net-quick's network."""
    parameters = NetworkParameters(weights="random")
    network = build(parameters)
    with tempfile.TemporaryDirectory(prefix="maskloom-bench-") as folder:
        objects = open_store(Path(folder).as_uri())
        held = HeldNetwork(parameters, network)
        rounds = [_round(held, objects) for _ in range(REPEATS)]
    return {part: statistics.median(seconds[part] for seconds in rounds) for part in rounds[0]}


def _round(held: HeldNetwork, objects: ObjectStore) -> dict[str, float]:
    next(held.network.parameters()).data.add_(1)  # other weights: a blob that is there is not written again
    data, bytes_s = timed(lambda: held.file(held.network.state_dict()))
    digest, put_s = timed(lambda: objects.put(data))
    _, get_s = timed(lambda: objects.get(digest))
    held.checkpoint = None
    _, take_s = timed(lambda: held.take(digest, objects))
    return {
        "its bytes": bytes_s,
        "into the store (hashed, written, flushed)": put_s,
        "from the store, verified": get_s,
        "into a network": take_s - get_s,
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and how long it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began
