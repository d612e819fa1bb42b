"""Who may call whom: nobody, but along the edges that are written down here."""

from __future__ import annotations

import pytest

from support.chart import NAMESPACE, RELEASE, VALUE_SETS, Object, Pod, Rendered, rendered, selects

CLOSED = [values for values in VALUE_SETS if values != "open-network"]
CALLERS = {
    "postgresql": {"api", "scheduler", "bridge", "migration"},
    "seaweedfs": {"api", "scheduler", "bridge", "ray-worker", "label-studio"},
    "label-studio": {"bridge", "INGRESS"},
    "bridge": {"label-studio", "BRIDGE"},
    "api": {"INGRESS", "METRICS"},
    "ray-head": {"ray-head", "ray-worker", "scheduler", "METRICS"},
    "ray-worker": {"ray-head", "ray-worker", "scheduler", "METRICS"},
    "scheduler": {"ray-head", "ray-worker", "METRICS"},
    "migration": set(),
}
"""Of each part, who may call it at most. In capitals: who is outside of the chart."""
OUTSIDE = {"INGRESS": "ingressFrom", "METRICS": "metricsFrom", "BRIDGE": "bridgeFrom"}
KUBELET = {52365}
"""Ports that the kubelet asks, and other nodes of Ray."""


@pytest.fixture(params=CLOSED)
def chart(request: pytest.FixtureRequest) -> Rendered:
    return rendered(request.param)


def part_of(pod: Pod) -> str:
    return pod.labels["app.kubernetes.io/component"]


def policies_of(chart: Rendered, labels: dict[str, str]) -> list[Object]:
    every = [one["spec"] for one in chart.of("NetworkPolicy")]
    return [spec for spec in every if selects(spec["podSelector"], labels)]


def callers(chart: Rendered, pod: Pod, kind: str = "ingress", end: str = "from") -> set[str]:
    """Parts that policies let call `pod`, or with `egress` and `to`, whom it may call; others as OTHER."""
    found = set()
    for spec in policies_of(chart, pod.labels):
        for rule in spec.get(kind, []):
            assert rule[end], "no peers would be everybody"
            for peer in rule[end]:
                labels = peer.get("podSelector", {}).get("matchLabels", {})
                found.add(
                    labels.get("app.kubernetes.io/component", "OTHER") if "ipBlock" not in peer else "OTHER"
                )
    return found


def test_what_no_policy_names_is_denied_both_ways(chart: Rendered) -> None:
    default = chart.named("NetworkPolicy", _fullname(chart))["spec"]
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default
    assert {port["port"] for rule in default["egress"] for port in rule["ports"]} == {53}
    for pod in chart.pods:
        assert selects(default["podSelector"], pod.labels), pod


def _fullname(chart: Rendered) -> str:
    return chart.of("ServiceAccount")[0]["metadata"]["name"]


def test_every_pod_and_so_every_service_has_a_policy_of_its_own(chart: Rendered) -> None:
    parts = {part_of(pod) for pod in chart.pods}
    named = {
        spec["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
        for spec in (one["spec"] for one in chart.of("NetworkPolicy"))
    }
    assert named - {None} == parts
    for service in chart.of("Service"):
        behind = [pod for pod in chart.pods if service["spec"]["selector"].items() <= pod.labels.items()]
        assert behind, service["metadata"]["name"]
        for pod in behind:
            if part_of(pod) == "bridge" and not callers(chart, pod):
                continue  # a Label Studio outside that does not call back
            own = [spec for spec in policies_of(chart, pod.labels) if "ingress" in spec]
            opened = {
                port["port"] for spec in own for rule in spec["ingress"] for port in rule.get("ports", [])
            }
            targets = {_number(pod, port["targetPort"]) for port in service["spec"]["ports"]}
            assert targets <= opened, f"{service['metadata']['name']} has callers"


def _number(pod: Pod, name: str) -> int:
    (port,) = (
        port for container in pod.containers for port in container.get("ports", []) if port["name"] == name
    )
    return int(port["containerPort"])


def test_nobody_but_its_callers_reaches_a_part(chart: Rendered) -> None:
    for pod in chart.pods:
        expected = {caller if caller.islower() else "OTHER" for caller in CALLERS[part_of(pod)]}
        assert callers(chart, pod) <= expected, pod


def test_postgresql_and_ray_are_open_to_nobody_outside() -> None:
    chart = rendered("with-label-studio")
    for pod in chart.pods:
        if part_of(pod) in {"postgresql", "seaweedfs", "ray-head", "ray-worker", "scheduler", "bridge"}:
            assert "OTHER" not in callers(chart, pod), pod


def test_who_may_be_called_may_be_reached(chart: Rendered) -> None:
    """An edge has two ends: where one opens the door, the other may go to it."""
    pods = {part_of(pod): pod for pod in chart.pods}
    for part, pod in pods.items():
        for caller in callers(chart, pod) - {"OTHER"}:
            if caller in pods:
                assert part in callers(chart, pods[caller], "egress", "to"), f"{caller} -> {part}"
        for called in callers(chart, pod, "egress", "to") - {"OTHER"}:
            assert part in callers(chart, pods[called]), f"{part} -> {called}"


def test_migrations_reach_the_database_alone() -> None:
    chart = rendered("minimal")
    (job,) = (pod for pod in chart.pods if pod.kind == "Job")
    assert callers(chart, job, "egress", "to") == {"postgresql", "OTHER"}  # OTHER: names are looked up
    (own,) = (
        spec
        for spec in policies_of(chart, job.labels)
        if spec["podSelector"]["matchLabels"].keys() > _instance()
    )
    assert [port["port"] for rule in own["egress"] for port in rule["ports"]] == [5432]


def _instance() -> set[str]:
    return {"app.kubernetes.io/instance"}


def test_rays_ports_are_pinned_to_those_that_policies_open(chart: Rendered) -> None:
    (cluster,) = chart.of("RayCluster")
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    (scheduler,) = (pod for pod in chart.pods if part_of(pod) == "scheduler")
    (raylet,) = scheduler.spec["initContainers"]
    said = dict(argument.removeprefix("--").split("=") for argument in raylet["args"])
    opened = _opened(chart, scheduler)
    for options in (*(group["rayStartParams"] for group in groups), said):
        pinned = {int(options[name]) for name in options if name.endswith("-port") and name != "port"}
        assert len(pinned) == 8
        assert all(any(low <= port <= high for low, high in opened) for port in pinned)


def _opened(chart: Rendered, pod: Pod) -> list[tuple[int, int]]:
    rules = [rule for spec in policies_of(chart, pod.labels) for rule in spec.get("ingress", [])]
    return [(port["port"], port.get("endPort", port["port"])) for rule in rules for port in rule["ports"]]


def test_what_is_outside_is_reached_at_its_network_and_port() -> None:
    chart = rendered("production")
    api = next(pod for pod in chart.pods if part_of(pod) == "api")
    rules = [rule for spec in policies_of(chart, api.labels) for rule in spec["egress"]]
    places = {
        (peer["ipBlock"]["cidr"], port["port"])
        for rule in rules
        for peer in rule["to"]
        if "ipBlock" in peer
        for port in rule["ports"]
    }
    assert places == {("10.1.0.5/32", 5432), ("10.1.0.6/32", 9000), ("0.0.0.0/0", 443)}
    head = next(pod for pod in chart.pods if part_of(pod) == "ray-head")
    assert any(
        peer.get("ipBlock") == {"cidr": "10.96.0.1/32"}
        for spec in policies_of(chart, head.labels)
        for rule in spec["egress"]
        for peer in rule["to"]
    )


def test_a_cluster_without_policies_gets_none() -> None:
    chart = rendered("open-network")
    assert not chart.of("NetworkPolicy")
    assert chart.pods[0].labels["app.kubernetes.io/instance"] == RELEASE
    assert NAMESPACE not in {one["metadata"].get("namespace") for one in chart.objects}
