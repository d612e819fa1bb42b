"""GET /metrics, for Prometheus: what the catalog says when it is asked, and the requests of this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy import Connection

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import leases, review_lists, reviews, runs, steps, tickets
from maskloom.platform.gpus import gpus
from maskloom.services.api.problems import refusals

_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}, "description": "Metrics"}}
_SLOWEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The metrics of one process: several may be asked, and say the same of the catalog."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._requests = Histogram(
            "maskloom_request_seconds",
            "How long requests took.",
            ("method", "route", "status"),
            buckets=_SLOWEST_S,
            registry=self._registry,
        )

    def router(self) -> APIRouter:
        router = APIRouter(tags=["health"])
        router.add_api_route(
            "/metrics",
            self.tell,
            methods=["GET"],
            response_class=Response,
            responses=_TEXT | refusals(503),
            name="metrics",
        )
        return router

    def tell(self) -> Response:
        """The metrics as Prometheus reads them."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def seen(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def describe(self) -> list[Metric]:
        """Nothing: what there is depends on the catalog, which is not asked before somebody wants to know."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What the catalog says now."""
        yield from self._platform.database.transaction(_of_catalog)
        yield from _of_machine()


def _of_machine() -> list[Metric]:
    """The GPUs of this machine. Those of a cluster's other machines are told of by Ray itself."""
    busy = GaugeMetricFamily("maskloom_gpu_busy_ratio", "Share of time that a GPU works.", labels=["gpu"])
    used = GaugeMetricFamily("maskloom_gpu_memory_used_bytes", "Memory of a GPU in use.", labels=["gpu"])
    whole = GaugeMetricFamily("maskloom_gpu_memory_bytes", "Memory of a GPU.", labels=["gpu"])
    for gpu in gpus():
        busy.add_metric([str(gpu.index)], gpu.busy)
        used.add_metric([str(gpu.index)], gpu.memory_used)
        whole.add_metric([str(gpu.index)], gpu.memory)
    return [busy, used, whole]


def _of_catalog(connection: Connection) -> list[Metric]:
    by_status = GaugeMetricFamily("maskloom_runs", "Runs by status.", labels=["status"])
    for status, number in runs.by_status(connection).items():
        by_status.add_metric([status], number)
    done = CounterMetricFamily("maskloom_steps", "Steps that were committed, by kind.", labels=["kind"])
    for kind, number in steps.counts_by_kind(connection).items():
        done.add_metric([kind], number)
    wanted = tickets.wanted(connection)
    driven = leases.held(connection, [runs.lease_name(one.run) for one in wanted])
    waits = [one.since_s for one in wanted if runs.lease_name(one.run) not in driven]
    unread = review_lists.unread(connection)
    at_work = leases.notes(connection, runs.lease_name(""))
    claims = leases.notes(connection, runs.claim_name(""))
    return [
        by_status,
        done,
        CounterMetricFamily(
            "maskloom_step_errors", "Attempts at steps that failed.", value=steps.count_of_errors(connection)
        ),
        GaugeMetricFamily("maskloom_queue_runs", "Runs that wait for their turn.", value=len(waits)),
        GaugeMetricFamily(
            "maskloom_queue_oldest_seconds",
            "How long the first of them has waited.",
            value=max(waits, default=0),
        ),
        GaugeMetricFamily(
            "maskloom_runs_stuck",
            "Runs whose drivers have made no progress for long.",
            value=sum("still_s" in note for note in claims),
        ),
        GaugeMetricFamily(
            "maskloom_images_per_second",
            "Slices that all runs train on or label now, in a second.",
            value=sum(note.get("images_per_s") or 0 for note in at_work),
        ),
        GaugeMetricFamily(
            "maskloom_reviews_open", "Reviews that readers are at.", value=reviews.count_open(connection)
        ),
        GaugeMetricFamily(
            "maskloom_reviews_unread",
            "Masks in open reviews that a reader has not answered.",
            value=unread.items,
        ),
        GaugeMetricFamily(
            "maskloom_review_lag_seconds",
            "How long the first of them has waited for its reader.",
            value=unread.oldest_s,
        ),
    ]
