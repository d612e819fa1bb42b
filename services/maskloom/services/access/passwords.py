"""Passwords and other secrets: how they are made, kept and compared."""

from __future__ import annotations

import hashlib
import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from maskloom.platform.errors import SettingsError

SHORTEST, LONGEST = 12, 256
_hasher = PasswordHasher()
_at_once = threading.BoundedSemaphore(4)
"""Each takes 64 MB, so that guessing is dear: not more than four at a time take them from us."""


def new_secret() -> str:
    """A secret of 256 random bits that fits into URLs and headers."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is kept of a secret that `new_secret` made: no salt and no slow hash, since it cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hashed(password: str) -> str:
    """What is kept of a password (argon2id). Raises SettingsError for one that is too short, or too long to be one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise SettingsError(
            f"a password has {SHORTEST} to {LONGEST} characters", hint="Take a few words that you remember."
        )
    with _at_once:
        return _hasher.hash(password)


def fits(password: str, digest: str | None) -> bool:
    """Whether it is the password. Without a digest, as for an unknown account, it is not, and takes as long to say so."""
    try:
        with _at_once:
            return _hasher.verify(digest or _nobodys(), password[: LONGEST + 1]) and digest is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash(new_secret())
