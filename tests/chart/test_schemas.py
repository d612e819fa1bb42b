"""What the chart makes is what Kubernetes, KubeRay and helm itself know."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from support.chart import CHART, ROOT, VALUE_SETS, Object, Rendered, helm, rendered

KUBERNETES = ("1.33", "1.35", "1.37")
KUBERAY = Path(__file__).with_name("kuberay-1.7.0-raycluster.json")
FOREIGN = {"RayCluster", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
"""Kinds that Kubernetes itself does not know."""


def test_there_are_enough_value_sets() -> None:
    assert len(VALUE_SETS) >= 12


@pytest.mark.parametrize("values", VALUE_SETS)
def test_helm_finds_no_fault(values: str) -> None:
    said = helm("lint", "--strict", CHART, "--values", CHART / "ci" / f"{values}.yaml")
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_object(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # It would read a megabyte for each of them.
    monkeypatch.setattr(
        kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents)
    )
    checked = 0
    for one in _different():
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)
            checked += 1
    assert checked > 30


def test_what_kubernetes_does_not_know_is_refused() -> None:
    deployment = rendered("minimal").named("Deployment", "m-api")
    wrong = deployment | {"spec": deployment["spec"] | {"replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[0], strict=True)


def test_kuberay_knows_the_cluster(chart: Rendered) -> None:
    (cluster,) = chart.of("RayCluster")
    assert cluster["apiVersion"] == "ray.io/v1"
    _kuberay().validate(cluster)


def test_what_kuberay_does_not_know_is_refused() -> None:
    (cluster,) = rendered("minimal").of("RayCluster")
    wrong = json.loads(json.dumps(cluster))
    wrong["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Always"
    with pytest.raises(jsonschema.ValidationError, match="imagePolicy"):
        _kuberay().validate(wrong)


def test_no_two_objects_have_one_name(chart: Rendered) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in chart.objects]
    assert len(names) == len(set(names))


def test_versions_are_those_of_the_repository() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert about["appVersion"] == project["version"]
    ray = re.search(r"^ray==(.*)$", (ROOT / "deploy" / "constraints.txt").read_text(), re.MULTILINE)
    (cluster,) = rendered("minimal").of("RayCluster")
    assert ray
    assert cluster["spec"]["rayVersion"] == ray[1]


def _different() -> Iterator[Object]:
    """The objects of all value sets, each once."""
    seen = set()
    for values in VALUE_SETS:
        for one in rendered(values).objects:
            told = json.dumps(one, sort_keys=True)
            if told not in seen:
                seen.add(told)
                yield one


@cache
def _kuberay() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_closed(json.loads(KUBERAY.read_text())))


def _closed(schema: Any) -> Any:
    """The same, but with nothing beside the properties that it names. Its marks for Kubernetes become words of JSON Schema."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        return {"type": ["integer", "string"]}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    # Of metadata the definition says nothing: Kubernetes knows it.
    if (
        named
        and "x-kubernetes-preserve-unknown-fields" not in schema
        and "additionalProperties" not in schema
    ):
        closed["additionalProperties"] = False
    return closed
