"""Settings -> Platform: the only place that chooses adapters. Everything else is handed the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from maskloom.platform.catalog.database import Database
from maskloom.platform.cluster import Cluster
from maskloom.platform.embedded import EmbeddedPostgres
from maskloom.platform.objects.store import ObjectStore, open_store
from maskloom.platform.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The catalog, the objects and the compute of one process."""

    settings: Settings
    database: Database
    objects: ObjectStore
    cluster: Cluster


@contextmanager
def open_platform(settings: Settings | None = None) -> Iterator[Platform]:
    """Open everything that `settings` (default: the environment) name; the schema is brought up to date.

    What is embedded starts here and ends with the last process that uses it.
    """
    settings = settings or Settings()
    embedded = None if settings.database_url else EmbeddedPostgres(settings.home)
    given = settings.database_url.get_secret_value() if settings.database_url else ""
    database = Database(embedded.ensure if embedded else lambda: given)
    cluster = Cluster(settings.ray_address)
    try:
        database.migrate()
        yield Platform(
            settings=settings, database=database, objects=open_store(settings.objects), cluster=cluster
        )
    finally:
        cluster.close()
        database.close()
        if embedded:
            embedded.release()
