"""A node of a Ray cluster as a container has it: with an address of loopback, and processes of its own that end together."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from stack.parts import answers
from support.servers import ChildServer, free_ports, short_folder
from support.stage import lives, until_gone

_AS_ROOT = () if os.geteuid() == 0 else ("--user", "--map-root-user")
_ALONE = ("unshare", *_AS_ROOT, "--pid", "--fork", "--kill-child", "--mount-proc")
"""What gives a node processes of its own. Nodes of one machine see each other's otherwise."""
_START_S = 240.0


class RayNode:
    """A node on `host`. It may be killed, and started again with the same ports and folder, where it keeps what it writes.

    `inside`: what its command begins with, where it is on a machine of its own. `folder`: an empty one, which is removed in the
    end.
    """

    def __init__(
        self,
        host: str,
        options: Sequence[str],
        environment: Mapping[str, str],
        *,
        inside: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        self.host = host
        self.folder = folder or short_folder()
        metrics, self._agent = free_ports(2)
        ray = Path(sys.executable).with_name("ray")
        self._command = [*inside, *_ALONE, ray, "start", "--block", f"--node-ip-address={host}", *options]
        self._command += [f"--metrics-export-port={metrics}", f"--dashboard-agent-listen-port={self._agent}"]
        self._command += ["--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={self.folder}"]
        self._command += ["--object-store-memory=100000000", "--disable-usage-stats"]
        self._environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
            "RAY_gcs_server_port_wait_time_s": "20",  # Ray's own, where `Cluster` has set another in this process
            "PYTHONPATH": str(Path(__file__).parents[1]),  # a node has the code of its actors installed
            **environment,
        }
        self.start()

    def start(self) -> None:
        """Start it, or start it again once nothing of it is left."""
        self._launch()
        deadline = time.monotonic() + _START_S
        while not self.answers():
            assert time.monotonic() < deadline, (
                f"the node on {self.host} does not start: {self._server.said()[-3000:]}"
            )
            if (
                self.has_ended()
            ):  # Ray gives up early where the machine is busy; who runs containers starts them again
                self._server.stop()
                self._launch()
            time.sleep(0.2)

    def _launch(self) -> None:
        self._server = ChildServer(
            self._command, folder=self.folder, stop="KILL", environment=self._environment
        )
        # What has not begun looks like what has ended, and would be started twice.
        while not self.processes():
            time.sleep(0.01)

    def answers(self) -> bool:
        """Whether its raylet says that all is well."""
        return answers(f"http://{self.host}:{self._agent}/api/local_raylet_healthz")()

    def processes(self) -> list[psutil.Process]:
        """What runs on it: `ray start`, Ray's own parts, and the actors."""
        try:
            return psutil.Process(self._server.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def named(self, name: str) -> list[psutil.Process]:
        """Those of its processes whose title begins so, such as `raylet` or `ray::Trainer`."""
        found = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                if process.name().startswith(name):
                    found.append(process)
        return found

    def ask_to_go(self) -> None:
        """What Kubernetes does to a pod that it deletes: the node is drained, and has a while to go by itself."""
        for started in self.processes():
            if "start" in started.cmdline():
                started.terminate()

    def has_ended(self) -> bool:
        """Whether nothing of it is left."""
        return not any(lives(process) for process in self.processes())

    def kill(self) -> None:
        """Kill all of it at once, and wait until nothing of it is left."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.wait()

    def wait(self) -> None:
        """Wait until all of it has ended by itself."""
        until_gone(self.processes())
        self._server.stop()

    def stop(self) -> None:
        """End it and remove its logs."""
        self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
