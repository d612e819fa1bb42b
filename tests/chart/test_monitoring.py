"""Alerts and dashboards ask for metrics that there are, in a language that Prometheus speaks, and are explained."""

from __future__ import annotations

import json
import re

import promql_parser
import pytest
import yaml

from support.chart import CHART, ROOT, rendered

METRICS = (ROOT / "services/maskloom/services/api/metrics.py").read_text()
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
RAYS = {
    "ray_actors",
    "ray_cluster_active_nodes",
    "ray_cluster_pending_nodes",
    "ray_node_cpu_utilization",
    "ray_node_gpus_utilization",
    "ray_node_gram_used",
    "ray_node_mem_used",
}


def known() -> set[str]:
    """The metrics of the API, as Prometheus names them."""
    gauges = set(re.findall(r'GaugeMetricFamily\(\s*"(\w+)"', METRICS))
    counters = {f"{name}_total" for name in re.findall(r'CounterMetricFamily\(\s*"(\w+)"', METRICS)}
    (histogram,) = re.findall(r'Histogram\(\s*"(\w+)"', METRICS)
    return gauges | counters | {f"{histogram}_{part}" for part in ("bucket", "count", "sum")}


def rules() -> list[dict]:
    (made,) = rendered("monitored").of("PrometheusRule")
    return [rule for group in made["spec"]["groups"] for rule in group["rules"]]


def asked(query: str) -> set[str]:
    """The metrics in a query, which is parsed as Prometheus would."""
    promql_parser.parse(query)
    return set(re.findall(r"\b(?:maskloom|ray)_\w+", query))


def test_alerts_ask_for_metrics_that_there_are() -> None:
    assert len(rules()) >= 6
    for rule in rules():
        assert asked(rule["expr"]), rule
        assert asked(rule["expr"]) <= known(), rule["alert"]
        assert 'namespace="ct"' in rule["expr"]
        assert 'job="m-api"' in rule["expr"]


def test_every_alert_is_explained() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^### (Maskloom\w+)$", page, re.MULTILINE)) == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_ask_for_metrics_that_there_are(path: object) -> None:
    board = json.loads(path.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert queries
    for query in queries:
        names = asked(query.replace("$namespace", "ct"))
        assert names, query
        assert names <= known() | RAYS, query


def test_dashboards_come_as_grafana_looks_for_them() -> None:
    (boards,) = rendered("monitored").of("ConfigMap")
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {json.loads(board)["uid"] for board in boards["data"].values()} == {
        path.stem for path in DASHBOARDS
    }


def test_monitors_find_ports_that_there_are() -> None:
    chart = rendered("monitored")
    (service,) = chart.of("ServiceMonitor")
    api = chart.named("Service", "m-api")
    assert service["spec"]["selector"]["matchLabels"].items() <= api["metadata"]["labels"].items()
    assert service["spec"]["endpoints"][0]["port"] in {port["name"] for port in api["spec"]["ports"]}
    (nodes,) = chart.of("PodMonitor")
    (chosen,) = nodes["spec"]["selector"]["matchExpressions"]
    for pod in chart.pods:
        if pod.labels["app.kubernetes.io/component"] in chosen["values"]:
            ports = {
                port["name"]: port["containerPort"]
                for container in pod.containers
                for port in container.get("ports", [])
            }
            assert ports[nodes["spec"]["podMetricsEndpoints"][0]["port"]] == 8080
    assert service["metadata"]["labels"]["team"] == "imaging"


def test_without_being_asked_for_nothing_of_it_is_there() -> None:
    kinds = {one["kind"] for one in rendered("minimal").objects}
    assert not kinds & {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ConfigMap"}
    assert yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
