"""A bridge's HTTP server on a data set with a run that has networks and one that has none."""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maskloom.pipelines import drive
from maskloom.pipelines.steps.ingest import Intake, ingest
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.facts import Split
from maskloom.platform.fingerprint import sha256
from maskloom.platform.objects.sources import open_source
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Network, Settings
from maskloom.services.bridge import keys
from maskloom.services.bridge.keys import Keys
from maskloom.services.bridge.server.serving import Served, serving
from support.images import grey_slice, saved
from support.painted import DATASET, Grey, ingest_phantom
from support.real_networks import drive_on, untrained_recipe
from support.servers import PostgresServer, remove_home, short_folder

TOOL_URL = "http://127.0.0.1:8090"
COUNTS = {Split.LABELLED: 5, Split.UNLABELLED: 8, Split.TEST: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """`run` has networks and `bare` has none. `digests` are those of their slices, `others` of 16 bits and of a JPEG.

    `truth` are the lesions of their slices.
    """

    platform: Platform
    run: Run
    bare: Run
    truth: dict[str, Grey]
    digests: dict[Split, list[str]]
    others: dict[str, str]
    keys: Keys
    served: Served
    looked: threading.Event = field(default_factory=threading.Event)

    @property
    def password(self) -> str:
        return self.keys.shared.get_secret_value()

    def login(self, user: str = "maskloom", password: str | None = None) -> str:
        """The value of the header Authorization."""
        pair = f"{user}:{self.password if password is None else password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


@contextmanager
def bridged(server: PostgresServer, network: Network = "run") -> Iterator[Bridge]:
    """A bridge whose predictions are by that network."""
    home = short_folder()
    database = f"test_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {database}")
    url = server.url.removesuffix("postgres") + database
    with open_platform(Settings(home=home, database_url=url, bridge_network=network)) as platform:
        truth, digests = {}, {}
        for seed, (split, count) in enumerate(COUNTS.items()):
            made = ingest_phantom(platform, home / split, split, count, seed)
            truth |= made
            digests[split] = list(made)
        run, _ = drive.create(platform, untrained_recipe(), DATASET, seed=1)
        bare, _ = drive.create(platform, untrained_recipe(), DATASET, seed=2)
        drive_on(platform, run, truth, {}, until=2)
        made_keys, looked = keys.load(home), threading.Event()
        with serving(platform, keys=made_keys, tool_url=TOOL_URL, look=looked.set) as served:
            yield Bridge(
                platform=platform,
                run=run,
                bare=bare,
                truth=truth,
                digests=digests,
                others=_ingest_others(platform, home / "others"),
                keys=made_keys,
                served=served,
                looked=looked,
            )
    server.execute(f"DROP DATABASE {database} WITH (FORCE)")
    remove_home(home)


def _ingest_others(platform: Platform, folder: Path) -> dict[str, str]:
    folder.mkdir()
    deep = np.linspace(1000, 3000, 48 * 40).reshape(48, 40).astype(np.uint16)
    files = {"deep.png": saved(deep, "PNG"), "lossy.jpg": saved(grey_slice(), "JPEG")}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    intake = Intake(images=open_source(str(folder)), masks=None, dataset="others", split=Split.UNLABELLED)
    assert ingest(platform, intake, lambda _done, _total: None).added == len(files)
    return {name: sha256(data) for name, data in files.items()}
