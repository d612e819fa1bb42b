"""Addresses that say by themselves who may follow them: whoever has one may read what is at that one path, for minutes."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

LIFETIME_S = 300
_SECONDS = re.compile(r"[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPaths:
    """Makes and checks them. Times are seconds since 1970."""

    secret: bytes = field(repr=False)
    lifetime_s: int = LIFETIME_S

    def signed(self, path: str, now: float) -> str:
        """`path` with what makes it good for `lifetime_s` from `now` on."""
        expires = str(int(now) + self.lifetime_s)
        return f"{path}?{urlencode({'expires': expires, 'signature': self._signature(path, expires)})}"

    def granted(self, path: str, expires: str, signature: str, now: float) -> bool:
        """Whether these parts of an address, which came from anywhere, were signed here and are still good."""
        expected = self._signature(path, expires).encode()
        right = hmac.compare_digest(expected, signature.encode(errors="replace"))
        return right and _SECONDS.fullmatch(expires) is not None and now < int(expires)

    def _signature(self, path: str, expires: str) -> str:
        # `expires` is accepted as digits alone, so that no two pairs have one content.
        return hmac.digest(self.secret, f"{path}\n{expires}".encode(errors="replace"), "sha256").hex()
