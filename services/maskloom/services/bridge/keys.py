"""The bridge's secrets: made once below a home, and the same for all of its processes from then on.

One random secret is kept; each use has a key of its own that is derived from it. So whoever is told the password, as Label
Studio is, can sign no address with it.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from maskloom.platform.errors import OutputUnwritable, SettingsError, disk_hint

_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """`signing` signs the addresses of images, `shared` is what Label Studio is told (64 hexadecimal digits)."""

    signing: bytes = field(repr=False)
    shared: SecretStr


def load(home: Path) -> Keys:
    """The keys of a home. The first process that asks makes them; it does not matter how many ask at once.

    Raises:
        SettingsError: the file is damaged, or others than its owner may read it.
        OutputUnwritable: it cannot be made or read.
    """
    path = home / "secrets" / "bridge"
    try:
        if not path.exists():
            _make(path)
        master = _read(path)
    except OSError as error:
        raise OutputUnwritable(
            f"cannot make or read {path}: {error.strerror or error}",
            hint=disk_hint(error, "point MASKLOOM_HOME to another"),
        ) from error
    return Keys(
        signing=hmac.digest(master, b"maskloom: addresses of images", "sha256"),
        shared=SecretStr(hmac.digest(master, b"maskloom: password of the bridge", "sha256").hex()),
    )


def same(given: str, secret: SecretStr) -> bool:
    """Whether somebody knows the secret, in a time that does not tell how much of it."""
    # Headers come as any latin-1 characters, of which strings cannot be compared in constant time.
    return hmac.compare_digest(given.encode(errors="replace"), secret.get_secret_value().encode())


def _make(path: Path) -> None:
    """Write a new secret, unless another process is first: the file appears whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        master = file.read(_BYTES + 1)
    if mode & 0o077:
        raise SettingsError(
            f"others than its owner may read or write {path}, which holds a secret",
            hint=f"If nobody has read it: chmod 600 {path}. Otherwise delete it: a new one is made, and all addresses and "
            "passwords that were given out end.",
        )
    if len(master) != _BYTES:
        raise SettingsError(
            f"the secret in {path} is damaged",
            hint="Delete the file: a new one is made, and all addresses and passwords that were given out end.",
        )
    return master
