"""One small run on a cluster, to be copied: a database and a prefix of objects for each trial."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minio.commonconfig import CopySource
from pydantic import SecretStr

from faults.cluster_node import Node
from faults.cluster_parts import Parts
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.settings import Settings
from support import small_run
from support.remains import facts, loose_ends
from support.servers import BUCKET, remove_home, short_folder
from support.stage import Driver, differences

_PREPARED = "prepared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A catalog and objects of their own, in which a run has not begun."""

    parts: Parts
    run: str
    name: str
    home: Path

    def driver(self, node: Node | None = None) -> Driver:
        """A process that drives the run, on the machine of `node` and through it, or of that for drivers."""
        node = node or self.parts.drivers
        used = self.settings
        assert used.database_url
        return Driver(
            self.home,
            self.run,
            node.machine.inside,
            SMALL_RUN_NODE=node.host,
            MASKLOOM_DATABASE_URL=used.database_url.get_secret_value(),
            MASKLOOM_OBJECTS_URL=used.objects,
            SMALL_RUN_SAVES_EVERY_S="1",
            **self.parts.environment,
        )

    @property
    def settings(self) -> Settings:
        """What a driver's environment says."""
        database = self.parts.postgres.url.removesuffix("postgres") + self.name
        return Settings(
            home=self.home,
            database_url=SecretStr(database),
            objects_url=self.parts.objects.url(self.name),
            ray_address=self.parts.environment["MASKLOOM_RAY_ADDRESS"],
        )

    @contextmanager
    def platform(self) -> Iterator[Platform]:
        """Its catalog and objects, for this process."""
        with open_platform(self.settings) as platform:
            yield platform


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStage:
    """A cluster, a prepared run to copy, and what that run leaves when nothing dies."""

    parts: Parts
    run: str
    undisturbed: dict[str, list[str]]
    seconds: float
    """How long the undisturbed run took."""

    @contextmanager
    def copy(self) -> Iterator[Copy]:
        """A copy for one trial."""
        with _copied(self.parts, self.run) as copy:
            yield copy

    def verdict(self, copy: Copy) -> list[str]:
        """What is otherwise in a copy than after the undisturbed run; empty when all is the same."""
        with copy.platform() as platform:
            return differences(platform, self.undisturbed)


def staged(parts: Parts) -> ClusterStage:
    """Prepare the small run and drive it once, undisturbed."""
    run = _prepared(parts)
    with _copied(parts, run) as copy:
        driver = copy.driver()
        assert driver.wait() == 0, (driver.events[-1:], driver.errors)
        seconds = time.monotonic() - driver.began
        with copy.platform() as platform:
            assert loose_ends(platform) == []
            undisturbed = facts(platform)
    return ClusterStage(parts=parts, run=run, undisturbed=undisturbed, seconds=seconds)


def _prepared(parts: Parts) -> str:
    home = short_folder()
    parts.postgres.execute(f"CREATE DATABASE {_PREPARED}")
    with Copy(parts=parts, run="", name=_PREPARED, home=home).platform() as platform:
        run = small_run.prepare(platform).id
    remove_home(home)
    return run


@contextmanager
def _copied(parts: Parts, run: str) -> Iterator[Copy]:
    name = f"trial_{uuid.uuid4().hex}"
    parts.postgres.execute(f"CREATE DATABASE {name} TEMPLATE {_PREPARED}")
    client = parts.objects.client
    for found in client.list_objects(BUCKET, prefix=f"{_PREPARED}/", recursive=True):
        target = found.object_name.replace(_PREPARED, name, 1)
        client.copy_object(BUCKET, target, CopySource(BUCKET, found.object_name))
    home = short_folder()
    yield Copy(parts=parts, run=run, name=name, home=home)
    remove_home(home)
    parts.postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
