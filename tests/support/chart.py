"""The Helm chart, rendered by a real helm, and the pods, services and policies that come out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "maskloom"
VALUE_SETS = tuple(sorted(path.stem for path in (CHART / "ci").glob("*.yaml")))
RELEASE, NAMESPACE = "m", "ct"
_BIN = Path(sys.executable).parent
Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod that some object of the chart makes. `kind` and `name`: of that object."""

    kind: str
    name: str
    labels: dict[str, str]
    spec: Object

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


class Rendered:
    """What one rendering made."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.objects: list[Object] = [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]

    def of(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def named(self, kind: str, name: str) -> Object:
        (found,) = (one for one in self.of(kind) if one["metadata"]["name"] == name)
        return found

    @cached_property
    def pods(self) -> list[Pod]:
        return [pod for one in self.objects for pod in _pods(one)]


def _pods(one: Object) -> Iterator[Pod]:
    def pod(template: Object) -> Pod:
        return Pod(
            kind=one["kind"],
            name=one["metadata"]["name"],
            labels=template["metadata"]["labels"],
            spec=template["spec"],
        )

    if one["kind"] in {"Deployment", "StatefulSet", "Job"}:
        yield pod(one["spec"]["template"])
    if one["kind"] == "RayCluster":
        yield pod(one["spec"]["headGroupSpec"]["template"])
        yield from (pod(group["template"]) for group in one["spec"]["workerGroupSpecs"])


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the pinned helm, which is brought first if need be."""
    subprocess.run([ROOT / "deploy" / "helm.sh"], env=os.environ | {"VENV": str(_BIN.parent)}, check=True)
    return subprocess.run([_BIN / "helm", *arguments], capture_output=True, text=True, check=False)


@cache
def rendered(values: str, *arguments: str) -> Rendered:
    """The chart with the value set `values` and more arguments of `helm template`."""
    said = helm(
        "template",
        RELEASE,
        CHART,
        "--namespace",
        NAMESPACE,
        "--values",
        CHART / "ci" / f"{values}.yaml",
        *arguments,
    )
    assert said.returncode == 0, said.stderr
    return Rendered(said.stdout)


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector of `matchLabels` chooses who has these labels."""
    assert selector.keys() <= {"matchLabels"}, f"not known here: {selector}"
    return selector.get("matchLabels", {}).items() <= labels.items()
