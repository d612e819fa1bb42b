"""Values that cannot be meant are refused in words, before anything is installed."""

from __future__ import annotations

import pytest
import yaml

from support.chart import CHART, helm

NOBODYS = "existingSecret=s"


def refused(*settings: str) -> str:
    said = helm("template", "m", CHART, *(part for one in settings for part in ("--set", one)))
    assert said.returncode != 0, "nothing was refused"
    return said.stderr


@pytest.mark.parametrize(
    "key",
    ["replicas", "api.replica", "ray.workers.max", "ray.head.cpu", "postgresql.password", "external.objects.secretKey",
     "ingress.tls", "labelStudio.ingress.enabled", "networkPolicy.ingress", "image.name", "api.resources.limit.cpu"],
)  # fmt: skip
def test_unknown_keys_are_refused(key: str) -> None:
    assert "additional properties" in refused(f"{key}=1")


@pytest.mark.parametrize(
    "setting",
    ["api.replicas=0", "api.replicas=two", "ray.gpuWorkers.gpus=0", "bridge.network=best", "url=maskloom.example",
     "external.objects.url=https://s3.example", "external.objects.url=s3://key:secret@bucket", "image.digest=sha256:12",
     "proxies={everybody}", "external.database.port=70000", "ray.version=2", "image.pullPolicy=Sometimes",
     "networkPolicy.dns=null", "api.scratch=much"],
)  # fmt: skip
def test_impossible_values_are_refused(setting: str) -> None:
    if setting == "networkPolicy.dns=null":
        setting = "networkPolicy.dns={}"
    refused(setting)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (["postgresql.enabled=false"], "database-url"),
        (["seaweedfs.enabled=false", NOBODYS], "external.objects.url"),
        (["seaweedfs.enabled=false", "external.objects.url=s3://bucket"], "s3-access-key"),
        (["external.labelStudio.url=https://labels.example"], "label-studio-token"),
        (["labelStudio.enabled=true", "external.labelStudio.url=https://labels.example", NOBODYS], "choose one"),
        (["external.oidc.issuer=https://login.example", "external.oidc.clientId=m", NOBODYS], "ingress"),
        (["ingress.enabled=true"], "ingress.host"),
        (["ray.cpuWorkers.enabled=false"], "nothing could be trained"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_in_words(settings: list[str], word: str) -> None:
    assert word in refused(*settings)


def test_every_value_is_in_the_schema_and_nothing_else() -> None:
    said = helm("show", "values", CHART)
    values = yaml.safe_load(said.stdout)
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    _same(values, schema, schema["$defs"], "")


def _same(value: object, schema: dict, known: dict, where: str) -> None:
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if not isinstance(value, dict) or "properties" not in schema:
        return
    assert schema["additionalProperties"] is False, where
    optional = {"global", "ephemeral-storage"}  # helm's own, and one that has no default
    assert value.keys() == schema["properties"].keys() - optional, where
    for key, inner in value.items():
        _same(inner, schema["properties"][key], known, f"{where}.{key}")


def test_the_notes_say_what_is_for_trying_only() -> None:
    said = helm("install", "m", CHART, "--dry-run=client")
    assert said.returncode == 0, said.stderr
    notes = said.stdout.partition("NOTES:")[2]
    assert "FOR TRYING ONLY: PostgreSQL, SeaweedFS," in notes
    assert "grep /welcome#" in notes
    said = helm("install", "m", CHART, "--dry-run=client", "--values", CHART / "ci" / "production.yaml")
    notes = said.stdout.partition("NOTES:")[2]
    assert "https://maskloom.example" in notes
    assert "FOR TRYING" not in notes
