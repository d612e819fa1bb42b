"""The parts of a service as processes, which are killed and come back as under an administrator's supervisor."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from sqlalchemy import make_url

from support.asking import ask
from support.commands import PROGRAM, TINY, wait_until
from support.servers import PostgresServer, free_ports

ROLES = ("api", "scheduler", "bridge")
PARTS = (*ROLES, "PostgreSQL")


class Parts:
    """The parts that run on one database. `url` is that of the API, which stays the same."""

    def __init__(self, server: PostgresServer, database: str, home: Path) -> None:
        port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        self._server = server
        self._log = home / "log"
        self._arguments = {
            "api": ["--listen", f"127.0.0.1:{port}"],
            "scheduler": ["--runs", "2"],
            "bridge": [],
        }
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MASKLOOM_")}
        own = {"MASKLOOM_HOME": str(home), "MASKLOOM_DATABASE_URL": database, "PYTHONPATH": str(TINY)}
        self._environment = inherited | own
        assert make_url(database).database
        self._processes = {role: self._start(role) for role in ROLES}

    def kill(self, part: str) -> None:
        """End a part as a power cut would."""
        if part == "PostgreSQL":
            self._server.kill()
        else:
            self._processes[part].kill()
            self._processes[part].wait()

    def start(self, part: str) -> None:
        """Start a part that was killed."""
        if part == "PostgreSQL":
            self._server.start()
        else:
            self._processes[part] = self._start(part)

    def revive(self) -> list[str]:
        """Start those that have ended by themselves, as a supervisor does; which they were."""
        ended = [role for role, process in self._processes.items() if process.poll() is not None]
        for role in ended:
            self._processes[role] = self._start(role)
        return ended

    def wait_until_ready(self) -> None:
        """Wait until the API says that all it needs is there."""
        wait_until(self._is_ready)

    def stop(self) -> None:
        """End all but the database."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [PROGRAM, "serve", "--role", role, *self._arguments[role]],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _is_ready(self) -> bool:
        try:
            return ask(f"{self.url}/readyz").status == 200
        except OSError:
            time.sleep(0.2)
            return False
