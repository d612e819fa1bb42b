"""How long ingest takes for the 1600 JPEGs of COVID-SemiSeg, and again when all of them are known."""

from __future__ import annotations

import time

from bench.data import bench_platform, real_intakes
from maskloom.pipelines.steps.ingest import Intake, ingest
from maskloom.platform.bootstrap import Platform


def measure() -> dict[str, float]:
    """Slices, seconds of the first ingest into an empty home, and seconds of the second."""
    with bench_platform() as platform:
        _, pool = real_intakes("bench")
        slices, first_s = _ingest(platform, pool)
        known, again_s = _ingest(platform, pool)
    assert known == slices
    return {"slices": slices, "first_s": first_s, "again_s": again_s}


def _ingest(platform: Platform, pool: Intake) -> tuple[int, float]:
    began = time.perf_counter()
    outcome = ingest(platform, pool, lambda done, total: None)
    return outcome.added + outcome.known, time.perf_counter() - began
