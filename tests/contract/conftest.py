"""The catalog on each PostgreSQL that it has to work on, and desks on a Label Studio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maskloom.platform.catalog.database import Database
from maskloom.platform.embedded import EmbeddedPostgres
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.tool import LabelStudio
from maskloom.services.bridge.tool import Desk
from support.desks import Slices, new_desk
from support.label_studio import IMAGES, LabelStudioReader, LabelStudioServer


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


@pytest.fixture
def desk() -> Desk:
    return new_desk()


@pytest.fixture
def slices(tmp_path: Path) -> Slices:
    return Slices.below(tmp_path)


@pytest.fixture
def tool(label_studio: LabelStudioServer, slices: Slices, tmp_path: Path) -> Iterator[LabelStudio]:
    access = label_studio.access
    made = LabelStudio(Client(access.url, access.token), slices.objects, IMAGES, locks=tmp_path / "locks")
    yield made
    made.close()


@pytest.fixture
def reader(label_studio: LabelStudioServer, desk: Desk) -> Iterator[LabelStudioReader]:
    made = LabelStudioReader(label_studio.access, desk)
    yield made
    made.close()
