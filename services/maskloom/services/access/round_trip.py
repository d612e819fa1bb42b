"""What a browser carries while its owner is away, at the provider with which they sign in.

A cookie holds a secret that was made for this one time, and is signed. From the secret, with a key that only maskloom has, come
what the provider sends back (`state`), signs (`nonce`) and is proved to (`verifier`, PKCE): who has the cookie knows none of
them, and who has one of them has not the cookie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field

from pydantic import SecretStr

LIFETIME_S = 600
_CARRIED = re.compile(
    r"(?P<secret>[A-Za-z0-9_-]{43})\.(?P<expires>[0-9]{10})\.(?P<next>[A-Za-z0-9_-]{0,2000})"
)
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One time to the provider and back. `next` is the page to go to afterwards."""

    secret: str = field(repr=False)
    key: bytes = field(repr=False)
    next: str

    @property
    def state(self) -> str:
        """What the provider sends back with the browser."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What the provider signs."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What shows the provider that it is who sent the browser."""
        return self._derived("verifier")

    def _derived(self, use: str) -> str:
        return _signature(self.key, f"{use} {self.secret}")


class RoundTrips:
    """Begins them, and knows them again. All that share the client's secret do, whichever of them began it."""

    def __init__(self, client_secret: SecretStr) -> None:
        self._key = hashlib.sha256(f"round trips of {client_secret.get_secret_value()}".encode()).digest()

    def begin(self, next_page: str) -> tuple[RoundTrip, str]:
        """A new one, and what the browser carries."""
        trip = RoundTrip(secret=secrets.token_urlsafe(32), key=self._key, next=page_of(next_page))
        where = base64.urlsafe_b64encode(trip.next.encode()).rstrip(b"=").decode()
        carried = f"{trip.secret}.{int(time.time()) + LIFETIME_S}.{where}"
        return trip, f"{carried}.{_signature(self._key, carried)}"

    def end(self, cookie: str, state: str) -> RoundTrip | None:
        """The one that the browser carries; None where it is none, has taken too long, or is not that of `state`."""
        carried, _, signature = cookie.rpartition(".")
        match = _CARRIED.fullmatch(carried)
        expected = _signature(self._key, carried)
        if match is None or not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            return None
        where = base64.urlsafe_b64decode(match["next"] + "=" * (-len(match["next"]) % 4)).decode()
        trip = RoundTrip(secret=match["secret"], key=self._key, next=where)
        known = hmac.compare_digest(state.encode(errors="replace"), trip.state.encode())
        return trip if known and int(match["expires"]) >= time.time() else None


def page_of(asked: str) -> str:
    """The page of ours that was asked for; the first one where it is none of ours."""
    return asked if _PATH.fullmatch(asked) else "/"


def _signature(key: bytes, text: str) -> str:
    digest = hmac.digest(key, text.encode(errors="replace"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
