"""How soon the bridge answers Label Studio: a webhook, also during a pull, and a slice that is opened and has no mask yet."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from bench.brush import SIZE as MASK_SIZE
from bench.brush import real_masks
from bench.data import bench_platform, real_slices
from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import slices
from maskloom.platform.facts import Run, Split
from maskloom.services.bridge import keys
from maskloom.services.bridge.brush import decode, encode
from maskloom.services.bridge.server.backend import USER
from maskloom.services.bridge.server.serving import Served, serving
from maskloom.services.bridge.server.webhook import HEADER
from support.asking import ask
from support.real_networks import drive_on, untrained_recipe

DATASET = "bench"
SIZE = 352
_WEBHOOKS, _OPENED = 500, 40


def measure() -> dict[str, float]:
    """Milliseconds: medians, and what 99 of 100 stay below. Networks are EfficientNet-Lite0 that nobody trained."""
    with bench_platform() as platform:
        real_slices(platform, DATASET, _OPENED)
        run, _ = drive.create(platform, untrained_recipe(f"prediction.size={SIZE}"), DATASET, seed=1)
        drive_on(platform, run, {}, {}, until=1)
        secrets = keys.load(platform.settings.home)
        with serving(platform, keys=secrets, tool_url="http://127.0.0.1:1", look=lambda: None) as served:
            shared = secrets.shared.get_secret_value()
            opened = _milliseconds(_opening(platform, run, served, shared), _OPENED)
            alone = _milliseconds(_hook(served, shared), _WEBHOOKS)
            with _pulling():
                busy = _milliseconds(_hook(served, shared), _WEBHOOKS)
    return {
        "first_open_ms": opened[0],
        **_summary("open", opened[1:]),
        **_summary("webhook", alone),
        **_summary("busy_webhook", busy),
    }


def _opening(platform: Platform, run: Run, served: Served, shared: str) -> Callable[[], None]:
    """Opens another slice each time, as Label Studio does."""
    pool = platform.database.transaction(lambda c: slices.of_dataset(c, DATASET))
    digests = iter([one.digest for one in pool if one.split is Split.UNLABELLED])
    login = "Basic " + base64.b64encode(f"{USER}:{shared}".encode()).decode()

    def open_one() -> None:
        body = json.dumps({"tasks": [{"id": 1, "data": {"slice": next(digests)}}], "params": {}}).encode()
        answer = ask(f"{served.backend(run.id)}/predict", "POST", body=body, Authorization=login)
        assert len(answer.json["results"]) == 1, answer.text

    return open_one


def _hook(served: Served, shared: str) -> Callable[[], None]:
    def hook() -> None:
        answer = ask(served.webhook, "POST", body=b"{}", **{HEADER: shared})
        assert answer.status == 204, answer.text

    return hook


@contextmanager
def _pulling() -> Iterator[None]:
    """Meanwhile another thread reads masks without a pause, as a pull does."""
    codes = [encode(mask) for mask in real_masks()]
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            for code in codes:
                decode(code, MASK_SIZE, MASK_SIZE)

    thread = threading.Thread(target=read)
    thread.start()
    yield
    ended.set()
    thread.join()


def _milliseconds(work: Callable[[], None], times: int) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - began))
    return found


def _summary(what: str, milliseconds: list[float]) -> dict[str, float]:
    middle, last = np.percentile(milliseconds, [50, 99])
    return {f"{what}_p50_ms": float(middle), f"{what}_p99_ms": float(last)}
