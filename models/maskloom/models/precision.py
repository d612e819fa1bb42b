"""Which numbers a network computes with."""

from __future__ import annotations

from maskloom.models.errors import ModelError
from maskloom.models.parameters import Precision


def is_bf16(precision: Precision) -> bool:
    """Whether the network runs under autocast to bfloat16. Raises ModelError for `auto`, which nobody has settled."""
    if precision == "auto":
        raise ModelError("The precision 'auto' has to be settled as 'fp32' or 'bf16' first.")
    return precision == "bf16"
