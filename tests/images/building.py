"""Images built by buildah, without a container engine, in a store of their own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

ROOT = Path(__file__).parents[2]
IMAGES = {"service": "maskloom", "worker": "maskloom-ray"}
"""The images, by the targets of the Dockerfile."""
_RELEASE = "bookworm"  # whose Python is of the version that the images have
_BASE = "localhost/maskloom-base"
_PYTORCH = "https://download.pytorch.org/whl/cpu"
_PYPI = "https://pypi.org/simple"
_ONE, _SEVERAL = ("index-url", "cert"), ("extra-index-url", "find-links")
"""What pip is told of indexes."""


class Builder:
    """Builds in `folder`, which keeps what was built.

    Each build is given two secrets, `hidden`: one in the settings of pip, one in its environment.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Layers that an earlier build has left have those of that build: so they stay the same.
        kept = folder / "hidden"
        if not kept.exists():
            kept.write_text(" ".join(secrets.token_hex(20) for _ in range(2)))
        self.hidden = kept.read_text().split()

    def make_base(self) -> str:
        """An image of Debian with its own Python, for where images cannot be pulled; its name."""
        if self.buildah("images", "--quiet", "--filter", f"reference={_BASE}"):
            return _BASE
        tree = self._folder / "debian"
        shutil.rmtree(tree, ignore_errors=True)
        packages = "ca-certificates,python3,python3-venv"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={packages}", _RELEASE, tree, _mirror()],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for leftovers in ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(tree / leftovers)
            (tree / leftovers).mkdir()
        container = self.buildah("from", "scratch")
        # Not `buildah copy`, after which everything would belong to root.
        subprocess.run(["cp", "--archive", f"{tree}/.", self.buildah("mount", container)], check=True)
        self.buildah("commit", "--rm", container, _BASE)
        shutil.rmtree(tree)
        return _BASE

    def build(self, target: str, base: str) -> str:
        """Build a target of the Dockerfile for CPUs; the image's name."""
        image = f"localhost/{IMAGES[target]}"
        settings = self._folder / "pip.conf"
        mounts = _write_pip_settings(settings, self.hidden[0])
        command = ["bud", "--layers", "--target", target, "--tag", image]
        command += ["--file", str(ROOT / "deploy" / "docker" / "Dockerfile")]
        # As in deploy/install.sh: without PyTorch's own index what pip is told of on this machine has to do.
        torch_index = os.environ.get("TORCH_INDEX_URL") or index_or_pypi(_PYTORCH)
        command += ["--build-arg", f"BASE_IMAGE={base}", "--build-arg", f"TORCH_INDEX_URL={torch_index}"]
        command += ["--secret", f"id=pip,src={settings}"]
        for mount in mounts:
            command += ["--volume", f"{mount}:{mount}:ro"]
        try:
            self._run([*command, str(ROOT)], stdout=sys.stderr)
        finally:
            settings.unlink()
        return image

    @contextmanager
    def unpacked(self, image: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The root file system of an image, to be looked at, and the settings of its containers."""
        container = self.buildah("from", "--pull-never", image)
        try:
            settings = json.loads(self.buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
            yield Path(self.buildah("mount", container)), settings
        finally:
            self.buildah("rm", container)

    def buildah(self, *arguments: str) -> str:
        """What a command of buildah prints."""
        return self._run(list(arguments), stdout=subprocess.PIPE).stdout.strip()

    def _run(self, arguments: list[str], stdout: Any) -> subprocess.CompletedProcess[str]:
        store = ["--root", str(self._folder / "store"), "--runroot", str(self._folder / "run")]
        # Building by chroot needs no container engine, and works inside other containers.
        environment = os.environ | {"BUILDAH_ISOLATION": "chroot", "MASKLOOM_TOKEN": self.hidden[1]}
        return subprocess.run(
            ["buildah", *store, *arguments], env=environment, stdout=stdout, text=True, check=True
        )


def _mirror() -> str:
    """Where this machine gets its Debian packages."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]


def index_or_pypi(url: str) -> str:
    """An index of packages, or where it cannot be reached that of Python."""
    try:
        with urllib.request.urlopen(f"{url}/", timeout=5):
            return url
    except (URLError, TimeoutError):
        return _PYPI


def _write_pip_settings(file: Path, hidden: str) -> list[Path]:
    """Write what this machine's pip is told of indexes, for pip in a build; the folders and files that it names."""
    asked = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        name, _, value = line.partition("=")
        words = value.strip("'\"").replace("\\n", " ").split()
        key = name.rpartition(".")[2]
        if key in _SEVERAL:
            found[key] = [*dict.fromkeys(found.get(key, []) + words)]
        elif key in _ONE:
            found.setdefault(key, words)  # the environment, which counts most, is listed first
    lines = [f"# {hidden}", "[global]", *(f"{key} = {' '.join(values)}" for key, values in found.items())]
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    named = {Path(value.removeprefix("file://")) for values in found.values() for value in values}
    local = {path for path in named if path.is_absolute() and path.exists()}
    # The pages of an index lead to files beside it.
    return sorted({path.parent if path.name == "simple" else path for path in local})
