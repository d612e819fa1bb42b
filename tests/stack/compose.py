"""What deploy/compose.yaml tells its containers, for processes of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+):(?P<kind>[-?])(?P<text>[^}]*)\}")
_ENTRY_POINTS = {"maskloom": ["maskloom"], "maskloom-ray": ["ray", "start", "--block"]}
"""Those of deploy/docker/Dockerfile."""


class Compose:
    """The services of the file. `variables` stand for deploy/.env, and `places` say what is where on this machine."""

    def __init__(self, variables: Mapping[str, str], places: Mapping[str, str]) -> None:
        self._variables = variables
        self._places = places
        self._services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service."""
        return {name: self._here(text) for name, text in self._services[service]["environment"].items()}

    def command(self, service: str) -> list[str]:
        """The command of a service, with the entry point of its image."""
        said = self._services[service]
        image = said["image"].partition(":")[0]
        return [
            self._here(word)
            for word in said.get("entrypoint", _ENTRY_POINTS.get(image, [])) + said["command"]
        ]

    def check(self, service: str) -> list[str]:
        """The command that says by its exit status whether a service is healthy."""
        return [self._here(word) for word in self._services[service]["healthcheck"]["test"][1:]]

    def _here(self, text: str) -> str:
        found = _VARIABLE.sub(self._value, text)
        for container, here in self._places.items():
            found = found.replace(container, here)
        return found

    def _value(self, match: re.Match[str]) -> str:
        if match["name"] in self._variables:
            return self._variables[match["name"]]
        assert match["kind"] == "-", f"{match['name']}: {match['text']}"
        return match["text"]
