"""The one error that the models floor raises on purpose."""

from __future__ import annotations


class ModelError(ValueError):
    """A network, its weights, its data or an engine cannot be had as asked; the message says what to do about it."""
