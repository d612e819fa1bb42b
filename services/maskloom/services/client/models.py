"""Models: networks with names, and which of them is the champion of a data set."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter

from maskloom.services.api.model_views import Deciding, ModelView, NewModel, PromotionView
from maskloom.services.client.transport import Transport, part

_MODEL = TypeAdapter(ModelView)
_PROMOTION = TypeAdapter(PromotionView)


class Models:
    """Models, by their names within a data set."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, dataset: str) -> Iterator[ModelView]:
        """The models of a data set, newest first."""
        return self._transport.everything(_path(dataset), _MODEL)

    def get(self, dataset: str, model: str) -> ModelView:
        """A model, and how it did on the test split beside the champion."""
        return self._transport.get(_path(dataset, model), _MODEL)

    def register(self, dataset: str, run: str, name: str) -> ModelView:
        """Give the final network of a finished run a name: it is a candidate from now on."""
        return self._transport.change("POST", _path(dataset), _MODEL, NewModel(run=run, name=name))

    def promote(self, dataset: str, model: str, *, reason: str | None = None) -> ModelView:
        """Make a model the champion: it is better by the paired bootstrap, or you give a reason. Raises Conflict."""
        deciding = Deciding(reason=reason)
        return self._transport.change("POST", _path(dataset, model, "promote"), _MODEL, deciding)

    def rollback(self, dataset: str, model: str, *, reason: str | None = None) -> ModelView:
        """Give the champion `model` up for the one before it, which is returned. Raises Conflict."""
        deciding = Deciding(reason=reason)
        return self._transport.change("POST", _path(dataset, model, "rollback"), _MODEL, deciding)

    def archive(self, dataset: str, model: str) -> ModelView:
        """Put a model aside that is not the champion; `register` makes it a candidate again. Raises Conflict."""
        return self._transport.change("POST", _path(dataset, model, "archive"), _MODEL)

    def promotions(self, dataset: str) -> Iterator[PromotionView]:
        """Every promotion, oldest first, with what it rests on."""
        return self._transport.everything(f"/datasets/{part(dataset)}/promotions", _PROMOTION)


def _path(dataset: str, *names: str) -> str:
    return "/".join([f"/datasets/{part(dataset)}/models", *(part(name) for name in names)])
