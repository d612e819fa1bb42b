"""The API on two data sets, and an account of each role: `open_to` those that roles were granted on, `closed` to the others."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.platform.account_facts import Role
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import accounts, audit, labels, slices
from maskloom.platform.facts import Split
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from maskloom.services.access import passwords
from maskloom.services.api.serving import serving
from support.asking import Answer, ask
from support.painted import Grey, ingest_phantom
from support.real_networks import untrained_recipe
from support.servers import PostgresServer, remove_home, short_folder

OPEN, CLOSED = "phantom", "closed"
PASSWORD = "correct horse battery"
ROLES = {"vera": Role.VIEWER, "rhea": Role.READER, "lea": Role.LEAD}
ADMIN, STRANGER = "ada", "sam"
API = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """Somebody who has signed in."""

    url: str
    cookie: str
    csrf: str

    def ask(self, method: str, path: str, content: Any = None, **headers: str) -> Answer:
        """One request to the API; the headers of a session and a JSON body go without saying."""
        body = None if content is None else json.dumps(content).encode()
        return self.send(method, path, body, **({"Content_Type": "application/json"} | headers))

    def send(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        """One request to the API with any body."""
        given = {"Cookie": self.cookie, "X_CSRF_Token": self.csrf}
        return ask(self.url + API + path, method, body=body, **(given | headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The API at `url`; `run` is on the open data set, whose unlabelled slices are `digests`.

    `label` is that of an expert's mask there, and `truth` the lesions of all slices there by digest.
    """

    platform: Platform
    url: str
    run: Run
    digests: list[str]
    label: str
    truth: dict[str, Grey]
    browsers: dict[str, Browser] = field(default_factory=dict)

    def as_(self, account: str) -> Browser:
        """A browser in which `account` has signed in."""
        if account not in self.browsers:
            self.browsers[account] = self.sign_in(account)
        return self.browsers[account]

    def sign_in(self, account: str, password: str = PASSWORD) -> Browser:
        """A new session of `account`."""
        answer = post(self.url, "/session", account=account, password=password)
        assert answer.status == 204, answer.text
        cookie = answer.headers["set-cookie"].partition(";")[0]
        me = ask(self.url + API + "/me", Cookie=cookie).json
        return Browser(url=self.url, cookie=cookie, csrf=me["csrf_token"])

    def newest_acts(self, count: int) -> list[Act]:
        """What the audit trail says was done last, newest first."""
        return [
            entry.act for entry in self.platform.database.transaction(lambda c: audit.newest(c, None, count))
        ]


def post(url: str, path: str, **content: Any) -> Answer:
    """A change that nobody in particular asks for."""
    return ask(url + API + path, "POST", body=json.dumps(content).encode(), Content_Type="application/json")


def figures(service: Service) -> dict[str, float]:
    """The metrics: name and labels, and value."""
    answer = ask(f"{service.url}/metrics")
    assert answer.status == 200
    return {
        sample.name + str(dict(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@contextmanager
def served(server: PostgresServer, port: int = 0, **settings: Any) -> Iterator[Service]:
    """The service, with `settings` of its own, on a port of its own or the one given."""
    home = short_folder()
    database = f"test_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {database}")
    url = server.url.removesuffix("postgres") + database
    with open_platform(Settings(home=home, database_url=url, **settings)) as platform:
        truth = ingest_phantom(platform, home / "labelled", Split.LABELLED, 3, 1)
        pool = ingest_phantom(platform, home / "pool", Split.UNLABELLED, 7, 2)
        populate(platform)
        run, _ = drive.create(platform, untrained_recipe(), OPEN, seed=1)
        experts = platform.database.transaction(lambda c: labels.expert_labels(c, OPEN, Split.LABELLED))
        label = next(iter(experts.values())).digest
        with serving(platform, port=port) as base:
            yield Service(
                platform=platform, url=base, run=run, digests=list(pool), label=label, truth=truth | pool
            )
    server.execute(f"DROP DATABASE {database} WITH (FORCE)")
    remove_home(home)


def populate(platform: Platform) -> None:
    """Add an account of each role on the open data set, which is there, and the closed one."""
    platform.database.transaction(_closed_dataset)
    platform.database.transaction(_people)


def _closed_dataset(connection: Connection) -> None:
    slices.add_dataset(connection, CLOSED)


def _people(connection: Connection) -> None:
    kept = passwords.hashed(PASSWORD)
    for name in (*ROLES, ADMIN, STRANGER):
        accounts.add(connection, name, admin=name == ADMIN)
        accounts.set_password(connection, name, kept)
    for name, role in ROLES.items():
        accounts.grant(connection, name, OPEN, role)
    accounts.grant(connection, STRANGER, CLOSED, Role.LEAD)
