"""The parts of deploy/compose.yaml as plain processes: its commands and environments, on free ports of loopback."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import psutil

from stack.compose import DEPLOY, Compose
from support.label_studio import installation
from support.servers import ChildServer, PostgresServer, free_ports

SECRETS = (
    "POSTGRES_PASSWORD",
    "LABEL_STUDIO_POSTGRES_PASSWORD",
    "S3_KEY",
    "S3_SECRET",
    "RAY_AUTH_TOKEN",
    "LABEL_STUDIO_TOKEN",
    "LABEL_STUDIO_PASSWORD",
)
NODES = {
    "ray-head": "127.0.0.2",
    "ray-worker-1": "127.0.0.3",
    "ray-worker-2": "127.0.0.4",
    "scheduler": "127.0.0.5",
}
"""The nodes of the Ray cluster. Ray would take one on 127.0.0.1 for a cluster of that machine alone."""
_BIN = Path(sys.executable).parent
_PATH = os.pathsep.join((str(_BIN), str(DEPLOY / "docker"), os.environ["PATH"]))
_NODE_ENVIRONMENT = {
    # As in the images.
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Several nodes on one machine.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
}
_NO_ACTORS = {"ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""Names of processes of Ray's own."""
_START_S = 120.0
_LABEL_STUDIO_S = 600.0  # it makes its tables first


class Stack:
    """What runs. `variables` stand for deploy/.env, `addresses` are for people."""

    def __init__(self, folder: Path, ended: ExitStack) -> None:
        self.folder = folder
        self.variables = {name: secrets.token_hex(20) for name in SECRETS}
        self.addresses: dict[str, str] = {}
        self.servers: dict[str, ChildServer] = {}
        self._ended = ended
        self._database = PostgresServer(durable=True)
        ended.callback(self._database.stop)
        names = ("s3", "ray", "api", "bridge", "label-studio")
        self._ports = ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.variables["LABEL_STUDIO_URL"] = f"http://127.0.0.1:{ports['label-studio']}"
        places = {
            "@postgres:5432": f"@127.0.0.1:{self._database.port}",
            "//seaweedfs:8333": f"//127.0.0.1:{ports['s3']}",
            "ray-head:6379": f"{NODES['ray-head']}:{ports['ray']}",
            "0.0.0.0:8042": f"127.0.0.1:{ports['api']}",
            "//bridge:8091": f"//127.0.0.1:{ports['bridge']}",
            "--port=6379": f"--port={ports['ray']}",
            "-s3.port=8333": f"-s3.port={ports['s3']}",
            "-ip=seaweedfs": "-ip=127.0.0.1",
            "0.0.0.0": "127.0.0.1",
            "-dir=/data": f"-dir={self._folder('objects')}",
            "/label-studio/data": str(self._folder("labels")),
            "/usr/bin/weed": str(_BIN / "weed"),
            "/tmp/beat": str(self._folder("scheduler") / "beat"),
        }
        self._compose = Compose(self.variables, places)

    def start(self) -> None:
        """Start all parts, each once those that it needs answer."""
        self._prepare_postgres()
        self._start_seaweedfs()
        self._start_label_studio()
        self._start_node("ray-head")
        # All actors of a run with two workers just fit on both together.
        self._start_node("ray-worker-1", "--num-cpus=1")
        self._start_node("ray-worker-2", "--num-cpus=1")
        self._start_api()
        self._start_node("scheduler")
        self._start_bridge()

    def actors(self) -> dict[str, set[str]]:
        """The names of Ray's actors at this moment, by node."""
        found: dict[str, set[str]] = {node: set() for node in NODES}
        for node, names in found.items():
            for process in psutil.Process(self.servers[node].pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    names.add(process.name())
        return {
            node: {name for name in names if name.startswith("ray::")} - _NO_ACTORS
            for node, names in found.items()
        }

    def _prepare_postgres(self) -> None:
        """What the image of PostgreSQL does when it starts for the first time."""
        said, server = self._compose.environment("postgres"), self._database
        user, password = said["POSTGRES_USER"], said["POSTGRES_PASSWORD"]
        server.execute(f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{password}'")
        server.execute(f"CREATE DATABASE {said['POSTGRES_DB']} OWNER {user}")
        said |= {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGPASSWORD": password}
        said["PATH"] = f"{server.binaries}{os.pathsep}{os.environ['PATH']}"
        subprocess.run([DEPLOY / "postgres" / "label-studio.sh"], env=os.environ | said, check=True)
        self.addresses["PostgreSQL"] = f"127.0.0.1:{server.port}"

    def _start_seaweedfs(self) -> None:
        inner = zip(("master", "volume", "filer", "admin"), free_ports(4), strict=True)
        command = self._compose.command("seaweedfs") + [f"-{name}.port={port}" for name, port in inner]
        address = f"127.0.0.1:{self._ports['s3']}"
        self._start("seaweedfs", command, {}, ready=answers(f"http://{address}/healthz"))
        self.addresses["SeaweedFS"] = address

    def _start_label_studio(self) -> None:
        program, *options, _ = self._compose.command("label-studio")
        command = [installation() / "venv" / "bin" / program, *options, str(self._ports["label-studio"])]
        # It wants the extension pg_trgm, which the image of PostgreSQL has and a PostgreSQL of Python packages has not.
        database = {"DJANGO_DB": "sqlite"}
        url = self.variables["LABEL_STUDIO_URL"]
        self._start(
            "label-studio", command, database, ready=answers(f"{url}/health"), patience_s=_LABEL_STUDIO_S
        )
        self.addresses["Label Studio"] = url

    def _start_node(self, name: str, *options: str) -> None:
        """A node, with ports and an address of its own, as each container has them."""
        metrics, agent = free_ports(2)
        command = [word.replace("=8090", f"={metrics}") for word in self._compose.command(_service(name))]
        command += [f"--node-ip-address={NODES[name]}", f"--dashboard-agent-listen-port={agent}"]
        command += [
            "--min-worker-port=0",
            "--max-worker-port=0",
            f"--temp-dir={self._folder(name)}",
            *options,
        ]
        check = [word.replace(":52365/", f":{agent}/") for word in self._compose.check(_service(name))]
        self._start(name, command, _NODE_ENVIRONMENT, ready=succeeds(check))
        self.addresses[name] = NODES[name]

    def _start_api(self) -> None:
        url = f"http://127.0.0.1:{self._ports['api']}"
        self._start("api", self._compose.command("api"), _NODE_ENVIRONMENT, ready=answers(f"{url}/readyz"))
        self.addresses["api"] = url

    def _start_bridge(self) -> None:
        *command, _ = self._compose.command("bridge")
        port = str(self._ports["bridge"])
        ready = answers(f"http://127.0.0.1:{port}/healthz")
        self._start("bridge", [*command, port], _NODE_ENVIRONMENT, ready=ready)
        self.addresses["bridge"] = f"http://127.0.0.1:{port}"

    def _start(
        self,
        name: str,
        command: Sequence[str | Path],
        own: Mapping[str, str],
        *,
        ready: Callable[[], bool],
        patience_s: float = _START_S,
    ) -> None:
        folder = self._folder(name)
        environment = (
            {"PATH": _PATH, "MASKLOOM_HOME": str(folder)} | self._compose.environment(_service(name)) | own
        )
        self.servers[name] = server = ChildServer(
            command, folder=folder, stop="TERM", environment=environment
        )
        self._ended.callback(server.stop)
        server.wait_until(ready, patience_s)

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """All parts; they end with the context, the last first."""
    with ExitStack() as ended:
        stack = Stack(folder, ended)
        stack.start()
        yield stack


def answers(url: str) -> Callable[[], bool]:
    """Whether a server answers at `url` that all is well."""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except (URLError, ConnectionError, TimeoutError):
            return False

    return ask


def succeeds(check: Sequence[str]) -> Callable[[], bool]:
    """Whether a command ends well."""

    def ask() -> bool:
        said = subprocess.run(check, env=os.environ | {"PATH": _PATH}, capture_output=True, check=False)
        return said.returncode == 0

    return ask


def _service(name: str) -> str:
    return "ray-worker" if name.startswith("ray-worker") else name
