"""Passwords and tokens are in a Secret, and nowhere else."""

from __future__ import annotations

import base64
import re

import pytest
import yaml

from support.chart import CHART, ROOT, VALUE_SETS, Object, Rendered, rendered

SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|ACCESS_KEY|DATABASE_URL")
HARMLESS = {"LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"}
"""A switch whose name looks like a secret."""
CALLED_BY = {
    "auth_token": "RAY_AUTH_TOKEN",
    "s3-access-key": "AWS_ACCESS_KEY_ID",
    "s3-secret-key": "AWS_SECRET_ACCESS_KEY",
    "label-studio-token": "MASKLOOM_LABEL_STUDIO_TOKEN",
    "oidc-client-secret": "MASKLOOM_OIDC_CLIENT_SECRET",
}


def variables(chart: Rendered) -> list[Object]:
    return [one for pod in chart.pods for container in pod.containers for one in container.get("env", [])]


def test_no_secret_stands_in_plain_text(chart: Rendered) -> None:
    looked_at = 0
    for variable in variables(chart):
        name = variable["name"]
        if SECRET.search(name) and name not in HARMLESS:
            looked_at += 1
            told = variable.get("value", "")
            # The password of the chart's own database is put in by the kubelet.
            assert not told or "$(MASKLOOM_DATABASE_PASSWORD)@" in told, name
            assert told or "secretKeyRef" in variable["valueFrom"], name
    assert looked_at > 10


def test_secrets_are_in_the_secret_alone(chart: Rendered) -> None:
    for secret in chart.of("Secret"):
        for key, value in secret["data"].items():
            plain = base64.b64decode(value).decode()
            assert len(plain) == 40, key
            assert chart.text.count(value) == 1, key
            assert plain not in chart.text, key


def test_every_secret_is_another_one() -> None:
    (secret,) = rendered("minimal").of("Secret")
    assert len(set(secret["data"].values())) == len(secret["data"]) == 6
    assert re.fullmatch(r"[0-9a-f]{40}", base64.b64decode(secret["data"]["label-studio-token"]).decode())
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize("values", VALUE_SETS)
def test_a_secret_that_is_there_is_used_and_none_is_made(values: str) -> None:
    chart = rendered(values)
    made = [secret["metadata"]["name"] for secret in chart.of("Secret")]
    used = {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for variable in variables(chart)
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    (cluster,) = chart.of("RayCluster")
    given = yaml.safe_load((CHART / "ci" / f"{values}.yaml").read_text()) or {}
    name = given.get("existingSecret", chart.of("ServiceAccount")[0]["metadata"]["name"])
    assert used == {name} == {cluster["spec"]["authOptions"]["secretName"]}
    assert made == ([] if "existingSecret" in given else [name])


def test_all_who_share_a_secret_get_it_from_one_key(chart: Rendered) -> None:
    for variable in variables(chart):
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if reference.get("key") in CALLED_BY and variable["name"] != "LABEL_STUDIO_USER_TOKEN":
            assert variable["name"] == CALLED_BY[reference["key"]]


def test_the_guide_names_every_key(chart: Rendered) -> None:
    guide = (ROOT / "docs" / "guides" / "install-on-kubernetes.md").read_text()
    for variable in variables(chart):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            assert f"`{variable['valueFrom']['secretKeyRef']['key']}`" in guide


def test_ray_asks_everybody_for_the_token(chart: Rendered) -> None:
    (cluster,) = chart.of("RayCluster")
    assert cluster["spec"]["authOptions"]["mode"] == "token"
    for pod in chart.pods:
        if pod.labels["app.kubernetes.io/component"] in {"ray-head", "ray-worker", "scheduler"}:
            for container in pod.containers:
                told = {variable["name"]: variable for variable in container["env"]}
                assert told["RAY_AUTH_MODE"]["value"] == "token", container["name"]
                assert "secretKeyRef" in told["RAY_AUTH_TOKEN"]["valueFrom"], container["name"]
