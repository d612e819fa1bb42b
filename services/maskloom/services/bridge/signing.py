"""Short-lived addresses of images: whoever has one may see that one image, for a while.

A browser that shows a slice in Label Studio sends no cookies, so the right to read has to be in the address.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlencode

LIFETIME_S = 12 * 3600
_FRESH = 1 / 3
"""Share of its lifetime that an address must have left to be handed to a reader."""
_SECONDS = re.compile(r"[1-9][0-9]{0,14}")
_QUERY = re.compile(
    r"(?P<digest>[0-9a-f]{64})\?expires=(?P<expires>[0-9]+)&signature=(?P<signature>[0-9a-f]{64})"
)


class Access(StrEnum):
    """What an address is worth."""

    GRANTED = "granted"
    EXPIRED = "expired"
    REFUSED = "refused"
    """It was not signed here: made up, changed, or from before the secret was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUrls:
    """Makes and checks addresses below `base` (as `http://127.0.0.1:8091`). Times are seconds since 1970."""

    base: str
    secret: bytes = field(repr=False)
    lifetime_s: int = LIFETIME_S

    def url(self, digest: str, now: float) -> str:
        """The address of the image of a slice (64 hexadecimal digits), good for `lifetime_s` from `now` on."""
        expires = str(int(now) + self.lifetime_s)
        query = urlencode({"expires": expires, "signature": self._signature(digest, expires)})
        return f"{self._folder}{digest}?{query}"

    def stale(self, url: str, now: float) -> bool:
        """Whether an address should be replaced: less than a third of its lifetime is left, or it is none of ours."""
        found = _QUERY.fullmatch(url.removeprefix(self._folder)) if url.startswith(self._folder) else None
        if found is None:
            return True
        later = now + _FRESH * self.lifetime_s
        return self.check(found["digest"], found["expires"], found["signature"], later) is not Access.GRANTED

    def check(self, digest: str, expires: str, signature: str, now: float) -> Access:
        """What an address is worth whose parts came from anywhere. Takes the same time for every wrong signature."""
        expected = self._signature(digest, expires).encode()
        if not hmac.compare_digest(expected, signature.encode(errors="replace")):
            return Access.REFUSED
        if not _SECONDS.fullmatch(expires):
            return Access.REFUSED
        return Access.GRANTED if now < int(expires) else Access.EXPIRED

    @property
    def _folder(self) -> str:
        return f"{self.base.rstrip('/')}/images/"

    def _signature(self, digest: str, expires: str) -> str:
        # `expires` is accepted as digits alone, so that no two pairs have one content.
        content = f"{digest}\n{expires}".encode(errors="replace")
        return hmac.digest(self.secret, content, "sha256").hex()
