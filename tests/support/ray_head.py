"""A Ray cluster of one node that somebody else has started, with its token."""

from __future__ import annotations

import secrets
import shutil
import socket
import sys
from pathlib import Path

from support.servers import ChildServer, free_ports, short_folder

_HOST = "127.0.0.2"  # Ray takes an address of the machine for 127.0.0.1


class RayHead:
    """The node at `address`; it ends with the test process."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(32)
        self._folder = short_folder()
        port = free_ports(1)[0]
        self.address = f"{_HOST}:{port}"
        environment = [
            f"RAY_AUTH_TOKEN={self.token}",
            "RAY_AUTH_MODE=token",
            "RAY_USAGE_STATS_ENABLED=0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=1",
            f"PYTHONPATH={Path(__file__).parents[1]}",  # a node has the code of its actors installed
        ]
        options = [
            f"--node-ip-address={_HOST}",
            f"--port={port}",
            f"--temp-dir={self._folder}",
            "--num-cpus=4",
            "--num-gpus=2",  # by its word: nothing here computes on them
        ]
        options += ["--include-dashboard=false", "--min-worker-port=0", "--max-worker-port=0"]
        options += ["--object-store-memory=100000000", "--disable-usage-stats"]
        ray = Path(sys.executable).parent / "ray"
        self._server = ChildServer(
            ["env", *environment, ray, "start", "--head", "--block", *options],
            folder=self._folder,
            stop="TERM",
        )
        self._server.wait_until(self._answers)

    def _answers(self) -> bool:
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End the node and remove its logs."""
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
