"""Every pod of the chart is as the pod security standard `restricted` wants it, has its limits, and can be asked how it is."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from support.chart import VALUE_SETS, Object, Rendered, rendered

WRITES_TO_ITS_IMAGE = {"label-studio"}
"""Containers whose root cannot be read-only."""


def test_pods_are_restricted(chart: Rendered) -> None:
    for pod in chart.pods:
        whole = pod.spec["securityContext"]
        assert whole["runAsNonRoot"] is True, pod
        assert whole["runAsUser"] > 0, pod
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}, pod
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys(), pod
        kinds = {kind for volume in pod.spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "persistentVolumeClaim"}, pod
        for container in pod.containers:
            _is_restricted(container)


def _is_restricted(container: Object) -> None:
    security = container["securityContext"]
    name = container["name"]
    assert security["allowPrivilegeEscalation"] is False, name
    assert security["capabilities"] == {"drop": ["ALL"]}, name
    assert security["readOnlyRootFilesystem"] is (name not in WRITES_TO_ITS_IMAGE), name
    assert "privileged" not in security, name
    assert not any("hostPort" in port for port in container.get("ports", [])), name


def test_the_autoscaler_that_kuberay_adds_is_restricted(chart: Rendered) -> None:
    (cluster,) = chart.of("RayCluster")
    added = cluster["spec"]["autoscalerOptions"]
    _is_restricted(added | {"name": "autoscaler"})
    _has_limits(added | {"name": "autoscaler"})
    volumes = {volume["name"] for volume in cluster["spec"]["headGroupSpec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in added["volumeMounts"]} <= volumes


def test_containers_have_requests_and_limits(chart: Rendered) -> None:
    for pod in chart.pods:
        for container in pod.containers:
            _has_limits(container)


def _has_limits(container: Object) -> None:
    for kind in ("requests", "limits"):
        assert {"cpu", "memory"} <= container["resources"][kind].keys(), container["name"]


def test_containers_can_be_asked_how_they_are(chart: Rendered) -> None:
    for pod in chart.pods:
        if pod.kind == "Job":
            continue  # it ends by itself, and has a deadline
        for container in pod.containers:
            assert "livenessProbe" in container, (pod, container["name"])
            ports = {port["name"] for port in container["ports"]} if "ports" in container else set()
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container.get(kind, {}).get("httpGet", {"port": 52365})["port"]
                assert asked in ports | {52365}, (pod, container["name"], kind)
        if any(selected == pod.name for selected in (one["metadata"]["name"] for one in chart.of("Service"))):
            assert all("readinessProbe" in container for container in pod.spec["containers"]), pod


def test_a_scheduler_that_does_not_beat_is_found(tmp_path: Path) -> None:
    pod = next(pod for pod in rendered("minimal").pods if pod.name == "m-scheduler")
    (scheduler,) = pod.spec["containers"]
    (beat,) = (one.removeprefix("--beat=") for one in scheduler["args"] if one.startswith("--beat="))
    command = [
        part.replace(beat, str(tmp_path / "beat")) for part in scheduler["livenessProbe"]["exec"]["command"]
    ]
    assert str(tmp_path) in command[-1]

    def lives() -> bool:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    assert not lives()  # it has not begun
    (tmp_path / "beat").touch()
    assert lives()
    os.utime(tmp_path / "beat", (0, time.time() - 200))
    assert not lives()


def test_jobs_have_a_deadline(chart: Rendered) -> None:
    jobs = chart.of("Job")
    assert jobs
    assert all(job["spec"]["activeDeadlineSeconds"] > 0 for job in jobs)


def test_images_are_pinned(chart: Rendered) -> None:
    for pod in chart.pods:
        for container in pod.containers:
            _, at, digest = container["image"].partition("@")
            tag = container["image"].rpartition("/")[2].partition(":")[2]
            assert digest.startswith("sha256:") if at else tag not in {"", "latest"}, container["image"]


def test_nobody_but_rays_head_has_a_key_to_kubernetes(chart: Rendered) -> None:
    for pod in chart.pods:
        is_head = pod.labels["app.kubernetes.io/component"] == "ray-head"
        assert pod.spec.get("automountServiceAccountToken") is (None if is_head else False), pod
        assert pod.spec["enableServiceLinks"] is False, pod


def test_everything_mounted_is_a_volume(chart: Rendered) -> None:
    for pod in chart.pods:
        claimed = _claims(chart, pod.name) if pod.kind == "StatefulSet" else set()
        volumes = {volume["name"] for volume in pod.spec["volumes"]} | claimed
        mounted = {mount["name"] for container in pod.containers for mount in container["volumeMounts"]}
        assert mounted == volumes, pod


def _claims(chart: Rendered, name: str) -> set[str]:
    templates = chart.named("StatefulSet", name)["spec"]["volumeClaimTemplates"]
    return {template["metadata"]["name"] for template in templates}


@pytest.mark.parametrize("values", VALUE_SETS)
def test_budgets_never_keep_a_machine_from_being_emptied(values: str) -> None:
    chart = rendered(values)
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in chart.of("Deployment")}
    budgets = {one["metadata"]["name"]: one["spec"] for one in chart.of("PodDisruptionBudget")}
    assert budgets.keys() == {name for name, number in replicas.items() if number > 1}
    assert all(budget["maxUnavailable"] == 1 and "minAvailable" not in budget for budget in budgets.values())


def test_workers_come_from_nothing_and_their_number_is_the_autoscalers(chart: Rendered) -> None:
    (cluster,) = chart.of("RayCluster")
    assert cluster["spec"]["enableInTreeAutoscaling"] is True
    head = cluster["spec"]["headGroupSpec"]["rayStartParams"]
    assert (head["num-cpus"], head["num-gpus"]) == ("0", "0")
    for group in cluster["spec"]["workerGroupSpecs"]:
        # An upgrade that named a number would end the workers of runs.
        assert "replicas" not in group
        assert 0 <= group["minReplicas"] <= group["maxReplicas"]


def test_an_upgrade_leaves_no_node_of_another_version(chart: Rendered) -> None:
    (cluster,) = chart.of("RayCluster")
    assert cluster["spec"]["upgradeStrategy"] == {"type": "Recreate"}


def test_by_default_there_are_no_workers_before_there_is_work() -> None:
    (cluster,) = rendered("cpus-and-gpus").of("RayCluster")
    groups = {group["groupName"]: group for group in cluster["spec"]["workerGroupSpecs"]}
    assert {name: group["minReplicas"] for name, group in groups.items()} == {"cpu": 0, "gpu": 0}
    container = groups["gpu"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert groups["gpu"]["rayStartParams"]["num-gpus"] == "1"
    assert container["image"].endswith("-cuda")
    assert "nvidia.com/gpu" not in groups["cpu"]["template"]["spec"]["containers"][0]["resources"]["limits"]


@pytest.mark.parametrize("part", ["scheduler", "api"])
def test_who_queues_and_drives_runs_knows_of_gpus_that_are_not_there_yet(part: str) -> None:
    for values, expected in (("minimal", "false"), ("gpus", "true"), ("production", "true")):
        pod = next(pod for pod in rendered(values).pods if pod.name.endswith(f"-{part}"))
        (container,) = pod.spec["containers"]
        variables = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert variables["MASKLOOM_RAY_GPUS"] == expected


def test_workers_that_are_told_to_go_have_time_to_say_so() -> None:
    (cluster,) = rendered("gpus").of("RayCluster")
    for group in cluster["spec"]["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        variables = {variable["name"]: variable.get("value") for variable in pod["containers"][0]["env"]}
        drained_s = float(variables["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
        assert 0 < drained_s < pod["terminationGracePeriodSeconds"]


def test_a_queue_of_kueues_admits_the_cluster() -> None:
    (cluster,) = rendered("kueue").of("RayCluster")
    assert cluster["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "imaging"
    assert cluster["metadata"]["annotations"] == {"kueue.x-k8s.io/elastic-job": "true"}
    (cluster,) = rendered("minimal").of("RayCluster")
    assert not any("kueue" in label for label in cluster["metadata"]["labels"])
