"""`maskloom serve` as a process on a PostgreSQL of its own, and people who have signed in to it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from sqlalchemy import Connection, make_url

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts, credentials, slices
from maskloom.services.access import passwords
from support.asking import ask
from support.commands import PROGRAM, wait_until

_LIFETIME = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The service at `port` of this machine, whose process is `process`; `ready_s`: how long it took to be ready."""

    port: int
    process: psutil.Process
    ready_s: float

    @property
    def megabytes(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    @property
    def cpu_s(self) -> float:
        spent = self.process.cpu_times()
        return float(spent.user + spent.system)

    @property
    def open_files(self) -> int:
        return int(self.process.num_fds())


@contextmanager
def serve(url: str, home: Path, *arguments: str, **environment: str) -> Iterator[Served]:
    """The service on the database at `url`, ready to answer. Its log goes into its home, as one of a real one would."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MASKLOOM_")}
    own = {"MASKLOOM_HOME": str(home), "MASKLOOM_DATABASE_URL": url, "COLUMNS": "200"}
    began = time.perf_counter()
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", *arguments],
            env=inherited | own | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout
        base = process.stdout.readline().split()[-1]
        wait_until(lambda: ask(f"{base}/readyz").status == 200)
        ready_s = time.perf_counter() - began
        yield Served(port=make_url(base).port or 0, process=psutil.Process(process.pid), ready_s=ready_s)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def sign_in(platform: Platform, count: int) -> list[str]:
    """So many people who may look at every data set; the cookie of each."""
    secrets = [passwords.new_secret() for _ in range(count)]

    def add(connection: Connection) -> None:
        names = slices.dataset_names(connection)
        for number, secret in enumerate(secrets):
            name = f"person-{number}"
            accounts.add(connection, name)
            for dataset in names:
                accounts.grant(connection, name, dataset, Role.VIEWER)
            credentials.add_session(connection, passwords.digest_of(secret), name, _LIFETIME, "127.0.0.1")

    platform.database.transaction(add)
    return [f"maskloom_session={secret}" for secret in secrets]


def database_cpu_s(url: str) -> float:
    """What the PostgreSQL behind `url` has computed by now: the time of its processes, those that have ended included."""
    port = make_url(url).port
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and f"-cport={port}" in (process.info["cmdline"] or []):
            each = [process.cpu_times(), *(child.cpu_times() for child in process.children())]
            own = each[0]
            return float(sum(one.user + one.system for one in each) + own.children_user + own.children_system)
    raise LookupError(f"no PostgreSQL listens on {port}")
