"""How often somebody may guess: refused tries to come in are counted, by address, and by address and name.

Wrong tokens are counted by address, apart from those. A right one is never shut out: a program with an expired token must not
keep out all others behind the same address, and nobody guesses 256 bits.
"""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from maskloom.services.errors import TooManyTries

_PER_NAME = RateLimitItemPerMinute(10, 15)
_PER_ADDRESS = RateLimitItemPerMinute(50, 15)


class Throttle:
    """The count of one process. Only a name together with an address is ever shut out: nobody can lock somebody else out."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, address: str, name: str) -> None:
        """Raise TooManyTries where this address was refused too often lately, with this name or with any."""
        for limit, key in ((_PER_NAME, (address, name)), (_PER_ADDRESS, (address,))):
            if not self._limiter.test(limit, *key):
                raise TooManyTries(self._wait(limit, *key))

    def wrong_token(self, address: str) -> None:
        """Count a wrong token. Raises TooManyTries where this address had too many lately."""
        if not self._limiter.hit(_PER_ADDRESS, "token", address):
            raise TooManyTries(self._wait(_PER_ADDRESS, "token", address))

    def _wait(self, limit: RateLimitItemPerMinute, *key: str) -> int:
        reset_at = self._limiter.get_window_stats(limit, *key).reset_time
        return max(1, math.ceil(reset_at - time.time()))

    def refused(self, address: str, name: str) -> None:
        """Count a try that was refused."""
        self._limiter.hit(_PER_NAME, address, name)
        self._limiter.hit(_PER_ADDRESS, address)
