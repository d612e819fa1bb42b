"""Canonical JSON and its sha256: the identity of steps, dataset versions and labels.

Equal values have equal fingerprints on every machine and in every process. A value without a stable form (a set, a path,
an object, NaN) is refused, so that nothing accidental ever becomes part of an identity.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from enum import Enum
from typing import Any

_PLAIN = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """`value` as JSON types.

    A record that has a `digest` stands for its content, so the digest alone counts. Any other dataclass counts by its
    fields. Raises TypeError for what has no stable form.
    """
    if type(value) in _PLAIN:  # most values of a million labels
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        content = [field for field in fields if field.name == "digest"] or fields
        named = {field.name: plain(getattr(value, field.name)) for field in content}
        return named.get("digest", named)
    raise TypeError(f"{value!r:.80} has no canonical form")


def canonical(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces."""
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )


def fingerprint(value: Any) -> str:
    """sha256 of the canonical JSON of `value`, 64 hexadecimal digits."""
    return sha256(canonical(value).encode())


def sha256(data: bytes) -> str:
    """sha256 of `data`, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
