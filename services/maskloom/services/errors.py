"""The errors of the service, by which its answers are told apart; on the other side, its client raises the same."""

from __future__ import annotations

import math

from maskloom.platform.errors import MaskloomError


class NotSignedIn(MaskloomError):
    """Nobody is let in with that password, session, token or link."""

    exit_code = 77  # EX_NOPERM of sysexits.h


class NotAllowed(MaskloomError):
    """The caller may see what they asked for, but not do that with it."""

    exit_code = 77


class TooManyTries(MaskloomError):
    """Somebody was refused too often; `retry_s`: when they may try again, in seconds."""

    exit_code = 75

    def __init__(self, retry_s: int) -> None:
        super().__init__(
            "too many tries were refused", hint=f"Try again in {math.ceil(retry_s / 60)} minutes."
        )
        self.retry_s = retry_s

    def __reduce__(self) -> tuple[type[TooManyTries], tuple[int]]:
        return type(self), (self.retry_s,)


class Conflict(MaskloomError):
    """A request does not go together with what is."""


class StillAtWork(Conflict):
    """The same request is being worked at: its answer can be had in a moment."""

    exit_code = 75


class ServiceUnavailable(MaskloomError):
    """maskloom does not answer at that address, or cannot do its work; try again later."""

    exit_code = 75
