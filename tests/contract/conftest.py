"""The catalog on each PostgreSQL that it has to work on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from maskloom.platform.catalog.database import Database
from maskloom.platform.embedded import EmbeddedPostgres


@pytest.fixture(params=["embedded", "server"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database: of the embedded PostgreSQL, and of one that somebody else runs."""
    if request.param == "server":
        yield request.getfixturevalue("catalog_url")
        return
    embedded = EmbeddedPostgres(request.getfixturevalue("maskloom_home"))
    yield embedded.ensure()
    embedded.release()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A catalog with the newest schema."""
    made = Database(lambda: url)
    made.migrate()
    yield made
    made.close()
