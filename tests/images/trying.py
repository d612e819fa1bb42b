"""What the images are for, started in them as a container engine would: their user, a read-only root, a network of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from images.building import ROOT, Builder

_START_S, _NODE_S, _COMMAND_S = 300.0, 120.0, 60.0
_CONTAINER = """
set -eu
root=$1 home=$2
shift 2
ip link set lo up
mount --rbind --make-rprivate "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for folder in /dev/shm /tmp "$home"; do mount -t tmpfs -o mode=1777 none "$root$folder"; done
mount -o remount,bind,ro "$root"
exec "$@"
"""
_LOADS = """
import maskloom.pipelines.workers.labeller, maskloom.pipelines.workers.trainer, torch
print(torch.version.cuda)
"""


def tried_service(builder: Builder) -> None:
    """The service starts, is ready, cannot write where it has no business, and ends well."""
    with _started(builder, "localhost/maskloom", []) as container:
        _wait(container, "api", _START_S)
        _has_no_rights(container)
        assert container.end() == 0, container.said()


def tried_worker(builder: Builder) -> None:
    """A node of a Ray cluster starts and is healthy, and what actors load is there."""
    with _started(builder, "localhost/maskloom-ray", _service("ray-head")["command"]) as container:
        _wait(container, "ray-head", _NODE_S)
        _has_no_rights(container)
        loaded = container.run(["python", "-c", _LOADS])
        assert loaded.stdout.strip() == "None", loaded.stderr


class _Container:
    """The process of an image, and commands beside it."""

    def __init__(self, root: Path, settings: dict[str, Any], arguments: list[str], log: Path) -> None:
        home, user = settings["WorkingDir"], settings["User"]
        environment = ["-i", f"--chdir={home}", *settings["Env"], f"RAY_AUTH_TOKEN={secrets.token_hex(20)}"]
        command = settings["Entrypoint"] + (arguments or settings["Cmd"])
        self._inside = ["chroot", f"--userspec={user}", str(root), "/usr/bin/env", *environment]
        self._log = log
        started = ["sh", "-c", _CONTAINER, "sh", str(root), home, *self._inside, *command]
        with log.open("w") as file:
            self._outside = subprocess.Popen(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", *started],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """A command inside, as its health check is."""
        entered = [
            "nsenter",
            f"--target={self._first()}",
            "--mount",
            "--net",
            "--pid",
            *self._inside,
            *command,
        ]
        return subprocess.run(entered, capture_output=True, text=True, check=False, timeout=_COMMAND_S)

    def said(self) -> str:
        """What it has written, and how it has ended if it has."""
        return f"{self._log.read_text(errors='replace')[-5000:]}\n(exit {self._outside.poll()})"

    def end(self) -> int:
        """Ask it to end; how it does."""
        os.kill(self._first(), signal.SIGTERM)
        return self._outside.wait(_COMMAND_S)

    def kill(self) -> None:
        """End it, and all of its processes."""
        self._outside.kill()
        self._outside.wait()

    def _first(self) -> int:
        """Its first process, by its number outside."""
        children = psutil.Process(self._outside.pid).children() if self._outside.poll() is None else []
        assert children, self.said()
        return children[0].pid


@contextmanager
def _started(builder: Builder, image: str, arguments: list[str]) -> Iterator[_Container]:
    with builder.unpacked(image) as (root, settings), tempfile.TemporaryDirectory() as folder:
        container = _Container(root, settings, arguments, Path(folder) / "log")
        try:
            time.sleep(1)  # until it has its own file system
            yield container
        finally:
            container.kill()


def _wait(container: _Container, service: str, patience_s: float) -> None:
    """Until the health check of a service says that all is well."""
    _, *check = _service(service)["healthcheck"]["test"]
    began = time.monotonic()
    while (checked := container.run(check)).returncode != 0:
        assert time.monotonic() < began + patience_s, f"{checked.stderr[-2000:]}\n{container.said()}"
        time.sleep(0.5)
    print(f"{service} is healthy after {time.monotonic() - began:.1f} s")


def _has_no_rights(container: _Container) -> None:
    assert container.run(["id", "-u"]).stdout.strip() == "10001"
    refused = container.run(["touch", "/opt/maskloom/x"])
    assert "Read-only file system" in refused.stderr, refused


def _service(name: str) -> dict[str, Any]:
    """What deploy/compose.yaml says of a service."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"][name]
    return found
