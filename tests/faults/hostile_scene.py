"""A service that is attacked: a real `maskloom serve`, what it keeps for others, and what nobody may ever be told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from bench.served import Served, serve
from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import audit, jobs, labels
from maskloom.platform.catalog.every_table import FACT_TABLES
from maskloom.platform.facts import Split
from maskloom.platform.settings import Settings
from support.asking import ask
from support.painted import VOLUMES, ingest_phantom
from support.real_networks import untrained_recipe
from support.servers import PostgresServer, remove_home, short_folder
from support.service import ADMIN, OPEN, PASSWORD, STRANGER, Service, populate
from support.transfers import done

SOURCE = "ward"
UPLOAD_MIB = 4
PEOPLE = (STRANGER, "vera", "lea", ADMIN)
_WATCHED = (
    *(name for name in FACT_TABLES if name not in {"audit", "quarantine", "attempts", "blobs"}),
    *("accounts", "grants", "tokens", "invitations", "identities", "sessions"),
)
"""Tables in which an attack that gets in leaves rows, or takes them away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The service, by `service`, and its process. `exports` are two that are made; `canary` hears who follows an address."""

    service: Service
    process: psutil.Process
    document: dict[str, Any]
    exports: tuple[str, str]
    tokens: dict[str, str]
    canary: Canary
    log: Path

    @property
    def platform(self) -> Platform:
        return self.service.platform

    @property
    def megabytes(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    def counts(self) -> dict[str, int]:
        """The rows of each watched table."""
        query = " union all ".join(
            f"select '{name}' as name, count(*) as rows from {name}" for name in _WATCHED
        )
        with self.platform.database.connection() as connection:
            return {row.name: row.rows for row in connection.execute(text(query))}

    def trail_holds(self) -> bool:
        """Whether every entry of the audit trail is as it was written."""
        found = self.platform.database.transaction(audit.verify)
        return found == self.platform.database.transaction(audit.head)

    def is_ready(self) -> bool:
        """Whether the process that was started lives, and says that it is ready."""
        return self.process.is_running() and ask(f"{self.service.url}/readyz").status == 200

    def others_things(self) -> tuple[str, ...]:
        """What is of the open data set, and told to nobody without a role there."""
        names = [f"{VOLUMES[split]}_0.png" for split in (Split.LABELLED, Split.UNLABELLED)]
        return (*self.service.digests, self.service.label, self.service.run.id, *self.exports, *names)

    def secrets(self) -> tuple[str, ...]:
        """What is told to nobody, admins included, and never in a log."""
        signing = self.platform.database.transaction(lambda c: jobs.signing_secret(c, "exports"))
        cookies = (self.service.as_(name).cookie.partition("=")[2] for name in PEOPLE)
        csrf = (self.service.as_(name).csrf for name in PEOPLE)
        words = ("root:x:", "Traceback", "$argon2", "psycopg", "sqlalchemy", "test-password", PASSWORD)
        home = str(self.platform.settings.home)
        return (*words, home, signing.hex(), *cookies, *csrf, *self.tokens.values())


class Canary:
    """Listens where imports must never lead; `heard` counts who came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.heard = 0
        threading.Thread(target=self._listen, name="canary", daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        try:
            while True:
                connection, _ = self._socket.accept()
                self.heard += 1
                connection.close()
        except OSError:
            return  # it was closed


@contextmanager
def attacked(server: PostgresServer) -> Iterator[Target]:
    """The service of `support.service`, as a process, with limits that an attack can reach."""
    home, canary = short_folder(), Canary()
    server.execute("CREATE DATABASE hostile")
    url = server.url.removesuffix("postgres") + "hostile"
    sources = f"{SOURCE}=s3://bucket/allowed?endpoint=127.0.0.1:1&secure=false"
    limits = {"MASKLOOM_IMPORT_SOURCES": sources, "MASKLOOM_UPLOAD_SIZE": f"{UPLOAD_MIB}MiB"}
    with open_platform(Settings(home=home, database_url=url)) as platform:
        truth = ingest_phantom(platform, home / "labelled", Split.LABELLED, 3, 1)
        pool = ingest_phantom(platform, home / "pool", Split.UNLABELLED, 7, 2)
        populate(platform)
        run, _ = drive.create(platform, untrained_recipe(), OPEN, seed=1)
        experts = platform.database.transaction(lambda c: labels.expert_labels(c, OPEN, Split.LABELLED))
        with serve(url, home, "--role", "api", **limits) as process:
            service = Service(
                platform=platform,
                url=f"http://127.0.0.1:{process.port}",
                run=run,
                digests=list(pool),
                label=next(iter(experts.values())).digest,
                truth=truth | pool,
            )
            yield _target(service, process, canary)
    canary.close()
    server.execute("DROP DATABASE hostile WITH (FORCE)")
    remove_home(home)


def _target(service: Service, served: Served, canary: Canary) -> Target:
    lead = service.as_("lea")
    exports = [
        lead.ask("POST", f"/runs/{service.run.id}/exports", {"format": "png"}).json["id"] for _ in "ab"
    ]
    for job in exports:
        assert done(service, job)["status"] == "done"
    return Target(
        service=service,
        process=served.process,
        document=json.loads(ask(f"{service.url}/api/v1/openapi.json").body),
        exports=(exports[0], exports[1]),
        tokens={name: _token(service, name) for name in PEOPLE},
        canary=canary,
        log=service.platform.settings.home / "log",
    )


def _token(service: Service, name: str) -> str:
    wanted = {"label": "program", "role": "admin" if name == ADMIN else "lead"}
    return str(service.as_(name).ask("POST", "/tokens", wanted).json["text"])
