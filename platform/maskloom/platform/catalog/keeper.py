"""Keeps leases alive from a thread of its own, and looks on every beat at what was asked of the run meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from maskloom.platform.catalog import leases
from maskloom.platform.catalog.database import Database
from maskloom.platform.errors import CatalogUnavailable

BEAT_S = leases.LEASE_S / 6


class LeaseKeeper:
    """Renews every kept lease each beat and publishes the newest note under `main`.

    `on_beat` runs in each beat's transaction, `on_lost` when somebody else has the main lease. Of the others it says nothing:
    the commit that follows checks the epoch and is refused.
    """

    def __init__(
        self,
        database: Database,
        main: leases.Lease,
        on_beat: Callable[[Connection], None] = lambda _connection: None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._main = main
        self._on_beat = on_beat
        self._on_lost = on_lost
        self._kept: dict[str, leases.Lease] = {main.name: main}
        self._note: dict[str, Any] | None = None
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_closed, name="lease-keeper", daemon=True)
        self._thread.start()

    def say(self, note: dict[str, Any]) -> None:
        """Publish `note` with the next beat."""
        with self._guard:
            self._note = note

    @contextmanager
    def keeping(self, lease: leases.Lease) -> Iterator[None]:
        """Keep `lease` alive as well."""
        with self._guard:
            self._kept[lease.name] = lease
        try:
            yield
        finally:
            with self._guard:
                del self._kept[lease.name]

    def close(self) -> None:
        """Stop beating. The leases then run out unless they are released."""
        self._ended.set()
        self._thread.join()

    def _beat_until_closed(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                self._database.transaction(self._beat)
            except CatalogUnavailable:
                # The work itself meets the same loss at its next transaction and says so to the user.
                continue

    def _beat(self, connection: Connection) -> None:
        with self._guard:
            kept, note = list(self._kept.values()), self._note
        if self._main in leases.renew(connection, kept):
            self._on_lost()
        if note is not None:
            leases.note(connection, self._main, note)
        self._on_beat(connection)
