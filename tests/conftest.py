"""Fixtures of the real services that tests run against.

Each pytest-xdist worker starts its own servers when a test first asks for them: that takes about a second,
and leaves no state to share.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.label_studio import LabelStudioServer
from support.servers import S3_KEY, S3_SECRET, PostgresServer, S3Server, remove_home, short_folder
from support.stage import Stage, staged

# As in maskloom's actors: several tests at a time share the cores, and spinning threads would take them from each other. Set
# before anything imports torch, and inherited by every process that a test starts.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The first example of a test pays for imports, and others for what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """URL of a separately started PostgreSQL, whose user may create databases."""
    return postgres_server.url


@pytest.fixture
def catalog_url(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of a new, empty database on the separately started PostgreSQL."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url.removesuffix("postgres") + name
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """SeaweedFS; its credentials are in the environment as long as it runs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", S3_KEY)
        environment.setenv("AWS_SECRET_ACCESS_KEY", S3_SECRET)
        server = S3Server()
        yield server
        server.remove()


@pytest.fixture
def s3_url(s3_server: S3Server) -> str:
    """URL of a new, empty prefix of a bucket on a real S3 server."""
    return s3_server.url(f"{uuid.uuid4().hex}/objects")


@pytest.fixture(scope="session")
def label_studio() -> Iterator[LabelStudioServer]:
    """A real Label Studio. It takes 5 s and 400 MB."""
    server = LabelStudioServer()
    yield server
    server.remove()


@pytest.fixture
def maskloom_home() -> Iterator[Path]:
    """A new home folder; a PostgreSQL that the test leaves in it is killed."""
    home = short_folder()
    yield home
    remove_home(home)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A small real run, prepared to be copied and broken, and what it leaves when nothing breaks. One for all workers."""
    base = tmp_path_factory.getbasetemp()
    everyones = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    kept = everyones / "stage"
    with (everyones / "stage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with staged() as prepared:
                prepared.keep(kept)
    return Stage.kept(kept)
