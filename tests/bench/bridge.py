"""A bridge on real slices, and how soon it answers Label Studio: a webhook, and a slice that is opened without a mask."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from bench.data import bench_platform, real_slices
from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import slices
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run
from maskloom.services.bridge import keys
from maskloom.services.bridge.label_studio.callbacks import Callbacks
from maskloom.services.bridge.server.backend import USER
from maskloom.services.bridge.server.serving import Served, serving
from maskloom.services.bridge.server.webhook import HEADER
from support.asking import ask
from support.real_networks import drive_on, untrained_recipe

DATASET = "opened"
SIZE = 352
_WEBHOOKS, _OPENED = 1000, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge that serves in this process, and what Label Studio is told about it."""

    platform: Platform
    served: Served
    callbacks: Callbacks

    def hook(self) -> None:
        """Label Studio says that something changed."""
        secret = self.callbacks.secret.get_secret_value()
        answer = ask(self.callbacks.webhook, "POST", body=b"{}", **{HEADER: secret})
        assert answer.status == 204, answer.text

    def open(self, run: Run, digest: str) -> None:
        """Label Studio opens a slice that has no mask."""
        login = f"{USER}:{self.callbacks.password.get_secret_value()}"
        answer = ask(
            f"{self.callbacks.backend(run.id)}/predict",
            "POST",
            body=json.dumps({"tasks": [{"id": 1, "data": {"slice": digest}}], "params": {}}).encode(),
            Authorization="Basic " + base64.b64encode(login.encode()).decode(),
        )
        assert answer.json["results"] != [[]], answer.text


@contextmanager
def bridged() -> Iterator[Bridge]:
    """A bridge on an empty platform."""
    with bench_platform() as platform:
        made = keys.load(platform.settings.home)
        with serving(platform, keys=made, tool_url="http://127.0.0.1:1", look=lambda: None) as served:
            callbacks = Callbacks(
                bridge=served.url, header=HEADER, secret=made.shared, user=USER, password=made.shared
            )
            yield Bridge(platform=platform, served=served, callbacks=callbacks)


def measure(bridge: Bridge) -> dict[str, float]:
    """Milliseconds: medians, and what 99 of 100 stay below. The network is EfficientNet-Lite0 that nobody trained."""
    real_slices(bridge.platform, DATASET, _OPENED)
    run, _ = drive.create(bridge.platform, untrained_recipe(f"prediction.size={SIZE}"), DATASET, seed=1)
    drive_on(bridge.platform, run, {}, {}, until=1)
    pool = bridge.platform.database.transaction(lambda c: slices.of_dataset(c, DATASET, Split.UNLABELLED))
    first, *opened = [milliseconds(lambda digest=one.digest: bridge.open(run, digest)) for one in pool]  # type: ignore[misc]
    hooks = [milliseconds(bridge.hook) for _ in range(_WEBHOOKS)]
    return {"first_open_ms": first, **summary("open", opened), **summary("webhook", hooks)}


def milliseconds(work: Callable[[], object]) -> float:
    """What `work` takes."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def summary(what: str, found: list[float]) -> dict[str, float]:
    """The median of some milliseconds, and what 99 of 100 stay below."""
    middle, last = np.percentile(found, [50, 99])
    return {f"{what}_p50_ms": float(middle), f"{what}_p99_ms": float(last)}
