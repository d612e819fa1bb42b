"""A portion of a list, as answers have it: the routes and the client share it, so nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A portion of a list. `next` is empty at its end."""

    items: list[T]
    next: Annotated[str, Field(examples=["WyJ2b2x1bWUgMSIsIDMsICI5ZjIyIl0"])] = ""
