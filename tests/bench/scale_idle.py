"""What actors cost that wait for work: Ray wakes each of them many times a second."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cores import ACTORS, CoreTime
from bench.fixed_time import FixedTime, in_fixed_time
from maskloom.pipelines.jobs import WorkerSettings
from maskloom.platform.cluster import Cluster, result

_SETTLES_IN_S, _LOOKED_AT_S = 5.0, 20.0


def measure(actors: int) -> float:
    """The share of a core that each of `actors` takes without having anything to do."""
    cluster = Cluster(None)
    with in_fixed_time(0.0), TemporaryDirectory() as folder:
        settings = WorkerSettings(objects_url=Path(folder).as_uri(), threads=1)
        labeller = f"{FixedTime.__module__}:{FixedTime.__name__}"
        idle = [cluster.start(labeller, [settings]) for _ in range(actors)]
        for there in [actor.is_there.remote() for actor in idle]:
            result(there)
        time.sleep(_SETTLES_IN_S)
        before = CoreTime.now()
        time.sleep(_LOOKED_AT_S)
        share = CoreTime.now().since(before)[ACTORS] / actors
        cluster.close()
    return share
