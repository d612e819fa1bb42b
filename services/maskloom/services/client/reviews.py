"""Reviews and readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from maskloom.platform.review_facts import ItemState
from maskloom.services.api.review_views import ItemView, QueueView, ReviewView
from maskloom.services.client.transport import Transport, part

_REVIEW = TypeAdapter(ReviewView)
_ITEM = TypeAdapter(ItemView)
_QUEUE = TypeAdapter(QueueView)
_SUMMARY = TypeAdapter(dict[str, Any])


class Reviews:
    """Reviews, by their ids, and those who read."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, run: str | None = None, is_open: bool | None = None) -> Iterator[ReviewView]:
        """The reviews on data sets that you see, newest first: of a run, or only open or closed ones."""
        # As JSON has it, not as Python does.
        said = None if is_open is None else str(is_open).lower()
        return self._transport.everything("/reviews", _REVIEW, run=run, open=said)

    def get(self, review: str) -> ReviewView:
        """A review."""
        return self._transport.get(_path(review), _REVIEW)

    def items(self, review: str, *, state: ItemState | None = None) -> Iterator[ItemView]:
        """The slices of a review, the least certain first. Leads have all of them, readers those that are theirs."""
        return self._transport.everything(f"{_path(review)}/items", _ITEM, state=state, limit=500)

    def close(self, review: str) -> ReviewView:
        """Close a review. Its run goes on with what is there, and later answers enter a later round."""
        return self._transport.change("POST", f"{_path(review)}/close", _REVIEW)

    def sync(self, review: str) -> ReviewView:
        """Have everything carried out to the readers of a run and back at once."""
        return self._transport.change("POST", f"{_path(review)}/sync", _REVIEW)

    def queues(self, run: str | None = None) -> Iterator[QueueView]:
        """What there is to read, by run and reader: in open reviews, or of one run."""
        return self._transport.everything("/readers", _QUEUE, run=run)

    def review(self, run: str) -> dict[str, Any]:
        """How the reviews of a run stand and how well readers agree, as `maskloom review status RUN --json` says it."""
        return self._transport.get(f"/runs/{part(run)}/review", _SUMMARY)


def _path(review: str) -> str:
    return f"/reviews/{part(review)}"
