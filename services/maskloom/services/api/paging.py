"""Lists in portions: each answer has the cursor of the next one, which holds where the last one ended."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, TypeVar

from fastapi import Query
from pydantic import TypeAdapter, ValidationError

from maskloom.platform.errors import SettingsError

Place = TypeVar("Place")
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.", examples=[100])]
Cursor = Annotated[
    str,
    Query(max_length=1000, description="`next` of the answer before; empty for the first.", examples=[""]),
]


def cursor_of(place: object) -> str:
    """The cursor that holds `place`."""
    return base64.urlsafe_b64encode(TypeAdapter(object).dump_json(place)).rstrip(b"=").decode()


def place_of(cursor: str, kind: TypeAdapter[Place]) -> Place | None:
    """The place that a cursor holds; None for the first portion. Raises SettingsError for what is no cursor."""
    if not cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        content = json.loads(text)
        # Characters that PostgreSQL takes none of: NUL, and halves of others, which cannot be encoded.
        if b"\\u0000" in json.dumps(content, ensure_ascii=False).encode():
            raise ValueError("it has NUL characters")
        place = kind.validate_python(content)
    except (binascii.Error, ValueError, RecursionError, ValidationError) as error:
        raise SettingsError("this is no cursor", hint="Take `next` of the answer before as it is.") from error
    return place
