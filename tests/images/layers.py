"""The layers of an image: how large each is, and that none has what is secret."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from images.building import Builder

_FORBIDDEN_NAMES = re.compile(
    r"(^|/)(\.env|\.netrc|\.pypirc|\.git-credentials|pip\.conf|id_(rsa|ed25519)|auth_token|credentials)$"
)
_PRIVATE_KEY = re.compile(rb"\A\s*-----BEGIN [A-Z ]*PRIVATE KEY-----")
_NOT_FOR_CPUS = re.compile(r"/site-packages/(nvidia|triton)(/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: its size unpacked, and what made it."""

    size: int
    made_by: str


def look(builder: Builder, image: str, known: set[str]) -> list[Layer]:
    """The layers of an image, the lowest first. Fails where one has what it must not, or the history of the image tells it.

    What is in `known` has been looked at; it is told of the others.
    """
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        builder.buildah("push", "--disable-compression", image, f"dir:{folder}")
        manifest = json.loads((folder / "manifest.json").read_text())
        settings = (folder / manifest["config"]["digest"].partition(":")[2]).read_text()
        assert not [secret for secret in builder.hidden if secret in settings], (
            f"{image}: its settings have a secret"
        )
        files = [folder / layer["digest"].partition(":")[2] for layer in manifest["layers"]]
        for file in files:
            if file.name not in known:
                search(file, builder.hidden)
                known.add(file.name)
        made = [step["created_by"] for step in json.loads(settings)["history"] if not step.get("empty_layer")]
        return [
            Layer(size=file.stat().st_size, made_by=made_by)
            for file, made_by in zip(files, made, strict=True)
        ]
    finally:
        shutil.rmtree(folder)


def table(found: list[Layer]) -> str:
    """The layers for people."""
    rows = [(layer.size, " ".join(layer.made_by.split())[:90]) for layer in found]
    rows.append((sum(layer.size for layer in found), "in all"))
    return "\n".join(f"{size / 1e6:9.1f} MB  {said}" for size, said in rows)


def search(layer: Path, hidden: list[str]) -> None:
    """Fails where a layer, a tar file, has one of the secrets `hidden`, what keeps others, or what only GPUs need."""
    secrets = [secret.encode() for secret in hidden]
    with tarfile.open(layer) as archive:
        for member in archive:
            assert not _NOT_FOR_CPUS.search(member.name), f"an image for CPUs has {member.name}"
            if not member.isfile():
                continue
            assert not _FORBIDDEN_NAMES.search(member.name), f"a layer has {member.name}"
            content = _content(archive, member)
            assert not _PRIVATE_KEY.match(content), f"a layer has a private key: {member.name}"
            assert not any(secret in content for secret in secrets), f"a layer has a secret: {member.name}"


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()
