"""Random numbers that depend on (seed, purpose, index) and on nothing that ran before, so that training can resume."""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, purpose: str, index: int) -> torch.Generator:
    """A CPU generator of its own for, say, the augmentation of step 17 under seed 3."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
