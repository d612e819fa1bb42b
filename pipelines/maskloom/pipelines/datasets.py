"""Dataset versions as the driver reads them: each once, a child for the price of what it adds."""

from __future__ import annotations

from maskloom.pipelines.slice_lists import Order, SliceList
from maskloom.platform.catalog import labels
from maskloom.platform.catalog.database import Database
from maskloom.platform.facts import DatasetVersion, Item
from maskloom.platform.objects.store import ObjectStore


class Datasets:
    """Items of dataset versions. Keeps the newest two: a round needs the one it grows from and the experts'."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects
        self._order: tuple[str, bytes] = "", b""
        self._read: dict[str, list[Item]] = {}
        self._scored: dict[str, list[dict[str, float]]] = {}

    def items(self, version: DatasetVersion) -> list[Item]:
        """The items in the order that the version alone decides: the oldest ancestor's first, then by slice digest."""
        if version.digest not in self._read:
            self._read[version.digest] = self._load(version)
            while len(self._read) > 2:
                del self._read[next(iter(self._read))]
        return self._read[version.digest]

    def slices(self, named: SliceList) -> Order:
        """The slices of a list. Keeps the newest order: the rounds of a run all cut theirs from one."""
        if self._order[0] != named.order:
            self._order = named.order, self._objects.get(named.order)
        return Order(self._order[1], named)

    def scores(self, version: DatasetVersion) -> list[dict[str, float]]:
        """The scores of its labels. Keeps those of one version: the gates of a run all compare with the experts."""
        if version.digest not in self._scored:
            scores = self._database.transaction(lambda c: labels.label_scores(c, version.digest))
            self._scored = {version.digest: scores}
        return self._scored[version.digest]

    def _load(self, version: DatasetVersion) -> list[Item]:
        if version.parent not in self._read:
            return self._database.transaction(lambda c: labels.items(c, version.digest))
        added = self._database.transaction(lambda c: labels.added_items(c, version.digest))
        merged = {item.slice: item for item in self._read[version.parent]}
        merged.update((item.slice, item) for item in added)
        return list(merged.values())
