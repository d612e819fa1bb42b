"""A real helm installs the version before and upgrades it, against as much of a Kubernetes API as it needs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.chart import CHART, NAMESPACE, RELEASE, helm
from support.kubernetes import Kubernetes

VALUES = CHART / "ci" / "with-label-studio.yaml"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The chart as a version before this one."""
    folder = shutil.copytree(CHART, tmp_path / "earlier")
    about = yaml.safe_load((folder / "Chart.yaml").read_text())
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "0.0.9", "appVersion": "0.0.9"}))
    return folder


@pytest.fixture
def releases(catalog_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """helm notes its releases in PostgreSQL, since it tells Kubernetes of them in a form that the one here cannot read."""
    monkeypatch.setenv("HELM_DRIVER", "sql")
    url = re.sub(r"^postgresql\+psycopg2", "postgres", catalog_url)
    monkeypatch.setenv("HELM_DRIVER_SQL_CONNECTION_STRING", f"{url}?sslmode=disable")


@pytest.fixture
def cluster(tmp_path: Path, releases: None) -> Iterator[tuple[Kubernetes, Path]]:
    kubernetes = Kubernetes()
    with kubernetes.serving(tmp_path) as kubeconfig:
        yield kubernetes, kubeconfig


def test_an_upgrade_migrates_first_and_changes_nothing_that_has_to_stay(
    cluster: tuple[Kubernetes, Path], earlier: Path
) -> None:
    kubernetes, kubeconfig = cluster
    options = (
        "--namespace",
        NAMESPACE,
        "--values",
        VALUES,
        "--kubeconfig",
        kubeconfig,
        "--disable-openapi-validation",
    )
    said = helm("install", RELEASE, earlier, *options)
    assert said.returncode == 0, said.stderr
    before = dict(kubernetes.objects)
    assert not any(kind == "Job" for _, kind, _ in kubernetes.written)  # whoever starts first migrates
    written = len(kubernetes.written)

    said = helm("upgrade", RELEASE, CHART, *options, "--timeout", "60s")
    assert said.returncode == 0, said.stderr
    kinds = [kind for _, kind, _ in kubernetes.written[written:]]
    assert kinds[0] == "Job"
    assert {"Deployment", "StatefulSet", "RayCluster"} <= set(kinds[1:])
    assert kubernetes.objects.keys() == before.keys()
    for place, one in kubernetes.objects.items():
        if one["kind"] == "Secret":
            assert one["data"] == before[place]["data"]
        if one["kind"] in {"Deployment", "StatefulSet"} and "labels" in one["metadata"]:
            assert one["metadata"]["labels"]["helm.sh/chart"] == "maskloom-0.1.0"


def test_what_cannot_be_changed_is_refused_here_as_by_kubernetes(
    cluster: tuple[Kubernetes, Path], earlier: Path
) -> None:
    _, kubeconfig = cluster
    options = ("--namespace", NAMESPACE, "--kubeconfig", kubeconfig, "--disable-openapi-validation")
    said = helm("install", RELEASE, earlier, *options)
    assert said.returncode == 0, said.stderr
    said = helm(
        "upgrade", RELEASE, CHART, *options, "--set", "postgresql.storage.size=1Gi", "--timeout", "60s"
    )
    assert said.returncode != 0
    assert "volumeClaimTemplates" in said.stderr


def test_a_new_version_adds_the_secret_that_it_needs_and_keeps_the_rest(
    cluster: tuple[Kubernetes, Path], earlier: Path
) -> None:
    kubernetes, kubeconfig = cluster
    options = ("--namespace", NAMESPACE, "--kubeconfig", kubeconfig, "--disable-openapi-validation")
    said = helm("install", RELEASE, earlier, *options)
    assert said.returncode == 0, said.stderr
    (secret,) = (one for one in kubernetes.objects.values() if one["kind"] == "Secret")
    del secret["data"]["label-studio-token"]  # as of a version that had none
    before = dict(secret["data"])
    said = helm("upgrade", RELEASE, CHART, *options, "--timeout", "60s")
    assert said.returncode == 0, said.stderr
    (secret,) = (one for one in kubernetes.objects.values() if one["kind"] == "Secret")
    assert secret["data"].items() > before.items()
    assert secret["data"].keys() - before.keys() == {"label-studio-token"}


def test_passwords_outlive_the_release(cluster: tuple[Kubernetes, Path]) -> None:
    kubernetes, kubeconfig = cluster
    options = ("--namespace", NAMESPACE, "--kubeconfig", kubeconfig)
    installing = ("install", RELEASE, CHART, *options, "--disable-openapi-validation")
    said = helm(*installing)
    assert said.returncode == 0, said.stderr
    (secret,) = (one for one in kubernetes.objects.values() if one["kind"] == "Secret")
    said = helm("uninstall", RELEASE, *options, "--timeout", "60s")
    assert said.returncode == 0, said.stderr
    assert [one["kind"] for one in kubernetes.objects.values()] == ["Secret"]
    said = helm(*installing)
    assert said.returncode == 0, said.stderr
    (again,) = (one for one in kubernetes.objects.values() if one["kind"] == "Secret")
    assert again["data"] == secret["data"]
