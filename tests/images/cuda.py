"""The packages of a worker for NVIDIA GPUs: whether they go together. They are gigabytes more, and are not installed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from typing import Any

import yaml

from images.building import ROOT, index_or_pypi


def resolve() -> dict[str, str]:
    """Have pip choose what the build of deploy/compose.cuda.yaml would install; versions by name.

    Where its index cannot be reached that of Python has to do: its torch is for CUDA as well.
    """
    compose: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.cuda.yaml").read_text())
    index = compose["services"]["ray-worker"]["build"]["args"]["TORCH_INDEX_URL"]
    pins = ROOT / "deploy" / "constraints.txt"
    torch = next(line for line in pins.read_text().splitlines() if line.startswith("torch=="))
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    with tempfile.TemporaryDirectory() as empty:
        # This machine may be told of a torch for CPUs.
        told = {
            "PIP_FIND_LINKS": empty,
            "PIP_EXTRA_INDEX_URL": index_or_pypi(index),
            "PIP_CONSTRAINT": str(pins),
        }
        options = ["--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--report=-"]
        said = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, torch, *wanted],
            env=os.environ | told,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    chosen = [one["metadata"] for one in json.loads(said)["install"]]
    found = {one["name"].lower(): one["version"] for one in chosen}
    assert {"nvidia-cublas", "nvidia-cudnn-cu13", "triton"} <= set(found), f"not for CUDA: {found}"
    assert found["torch"].partition("+")[0] == torch.partition("==")[2], found["torch"]
    return found
