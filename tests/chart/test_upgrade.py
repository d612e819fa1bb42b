"""`helm upgrade` keeps what cannot change: names, selectors, and the claims of volumes, of every version that was released.

`released/VERSION.json` is what that version had, for each value set. A new version gets a file of its own, made by
`python tests/chart/test_upgrade.py`, and the old ones stay.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1]))  # for who calls it to write a file

from support.chart import CHART, VALUE_SETS, Object, Rendered, rendered

RELEASED = Path(__file__).with_name("released")
IMMUTABLE = {"StatefulSet": ("serviceName", "selector", "volumeClaimTemplates"), "Deployment": ("selector",)}
"""Fields that Kubernetes refuses to change."""
RENAMED = (
    "Secret",
    "Service",
    "RayCluster",
    "Ingress",
    "ServiceAccount",
    "PodDisruptionBudget",
    "NetworkPolicy",
)
"""What others know by its name: who calls, and who has the passwords."""


def kept(chart: Rendered) -> dict[str, Any]:
    """What has to stay of a rendering."""
    found: dict[str, Any] = {}
    for one in chart.objects:
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] in IMMUTABLE:
            found[name] = {field: one["spec"][field] for field in IMMUTABLE[one["kind"]]}
        elif one["kind"] in RENAMED:
            found[name] = {"selector": one["spec"]["selector"]} if one["kind"] == "Service" else {}
    return found


def versions() -> list[str]:
    return sorted(path.stem for path in RELEASED.glob("*.json"))


def test_this_version_is_noted() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["version"] in versions()


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("values", VALUE_SETS)
def test_an_upgrade_keeps_names_volumes_and_selectors(version: str, values: str) -> None:
    before = json.loads((RELEASED / f"{version}.json").read_text()).get(values)
    if before is None:
        return  # a value set that is newer than that version
    now = kept(rendered(values, "--is-upgrade"))
    assert {name: now.get(name) for name in before} == before


def test_a_new_version_of_the_chart_alone_restarts_nobody(chart: Rendered) -> None:
    for pod in chart.pods:
        assert pod.labels.keys() == {"app.kubernetes.io/instance", "app.kubernetes.io/component"}, pod


def test_an_upgrade_changes_nothing_that_an_installation_would_not_make() -> None:
    fresh, upgraded = rendered("with-label-studio"), rendered("with-label-studio", "--is-upgrade")
    assert kept(fresh) == kept(upgraded)


def test_what_runs_before_an_upgrade_needs_nothing_that_comes_with_it(chart: Rendered) -> None:
    (job,) = chart.of("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate"]
    assert "envFrom" not in container
    assert {kind for volume in job["spec"]["template"]["spec"]["volumes"] for kind in volume} == {
        "name",
        "emptyDir",
    }


def test_names_stay_short_enough_for_what_kuberay_adds() -> None:
    long = rendered("minimal", "--set", "fullnameOverride=a23456789-b23456789-c23456789-d23456789")
    (cluster,) = long.of("RayCluster")
    assert len(cluster["metadata"]["name"] + "-cpu-worker-12345") <= 63
    assert all(len(one["metadata"]["name"]) <= 63 for one in long.objects)


def _unchanging() -> Object:
    return {values: kept(rendered(values)) for values in VALUE_SETS}


if __name__ == "__main__":
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (RELEASED / f"{about['version']}.json").write_text(
        json.dumps(_unchanging(), indent=1, sort_keys=True) + "\n"
    )
