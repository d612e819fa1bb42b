"""Data sets, their slices and masks, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter

from maskloom.platform.facts import Split
from maskloom.services.api.views import DatasetView, LabelView, NewDataset, QuarantinedView, SliceView
from maskloom.services.client.transport import Transport, part

_DATASET = TypeAdapter(DatasetView)
_SLICE = TypeAdapter(SliceView)
_LABEL = TypeAdapter(LabelView)
_QUARANTINED = TypeAdapter(QuarantinedView)


class Datasets:
    """Data sets and what is in them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[DatasetView]:
        """The data sets that you see."""
        return self._transport.everything("/datasets", _DATASET)

    def make(self, name: str) -> DatasetView:
        """Make a data set, empty and seen by admins alone until roles on it are granted."""
        return self._transport.change("POST", "/datasets", _DATASET, NewDataset(name=name))

    def get(self, dataset: str) -> DatasetView:
        """A data set."""
        return self._transport.get(_path(dataset), _DATASET)

    def slices(self, dataset: str, split: Split = Split.UNLABELLED) -> Iterator[SliceView]:
        """The slices of a split by volume and position."""
        return self._transport.everything(f"{_path(dataset)}/slices", _SLICE, split=split, limit=500)

    def slice(self, dataset: str, digest: str) -> SliceView:
        """A slice."""
        return self._transport.get(f"{_path(dataset)}/slices/{part(digest)}", _SLICE)

    def labels(self, dataset: str, digest: str) -> Iterator[LabelView]:
        """Every mask that a slice ever had, oldest first."""
        return self._transport.everything(f"{_path(dataset)}/slices/{part(digest)}/labels", _LABEL)

    def quarantine(self, dataset: str) -> Iterator[QuarantinedView]:
        """The files that were set aside when they came, oldest first."""
        return self._transport.everything(f"{_path(dataset)}/quarantine", _QUARANTINED)


class Pictures:
    """Slices and masks as PNG."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def slice(
        self, dataset: str, digest: str, *, window: tuple[float, float] | None = None, size: int | None = None
    ) -> bytes:
        """A slice; `window`: level and width in its own unit (HU for CT that says so); `size`: pixels of the longer side."""
        level, width = window if window is not None else (None, None)
        query = {"level": level, "width": width, "size": size}
        path = f"{_path(dataset)}/slices/{part(digest)}/picture"
        return self._transport.ask("GET", path, query=query).content

    def label(self, dataset: str, label: str, *, style: str | None = None, size: int | None = None) -> bytes:
        """A mask, to lie over its slice; `style`: filled, outline, or whatever else the API has."""
        path = f"{_path(dataset)}/labels/{part(label)}/picture"
        return self._transport.ask("GET", path, query={"style": style, "size": size}).content


def _path(dataset: str) -> str:
    return f"/datasets/{part(dataset)}"
