"""The nouns of access: who may do what on which data set. Frozen records, like those of `facts.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Role(StrEnum):
    """What somebody may do on a data set, least first: each may do what those before it may."""

    VIEWER = "viewer"
    """Look at slices, masks, runs and figures."""
    READER = "reader"
    """Read the masks of reviews."""
    LEAD = "lead"
    """Load data, drive runs, hand out reviews, promote networks, take data out."""
    ADMIN = "admin"
    """Everything, on every data set; accounts and the audit trail. An account is one, or is not: it is never granted."""

    def reaches(self, other: Role) -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who signs in. `grants`: their role on each data set that they see, by name; an admin is one on all there are."""

    name: str
    admin: bool
    active: bool
    grants: dict[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A program's way in, in the name of an account.

    It may do what the account may, but never more than `role`, and only on `dataset` where one is named. `id` is public;
    the secret is known only to who made it. `used_at`: when it last let somebody in, to within some minutes.
    """

    id: str
    account: str
    label: str
    role: Role
    dataset: str | None
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser in which an account has signed in, from `address`. `here`: it is the one that asks."""

    address: str
    began_at: datetime
    expires_at: datetime
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody as an OpenID Connect provider knows them.

    `subject` is theirs for ever; `names` are what they are called there, and may be somebody else's here.
    """

    issuer: str
    subject: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysIn:
    """How the owner of an account can sign in: with a password, and with the providers of these issuers."""

    password: bool
    issuers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A link that works once: to choose the password of `account`, or of the first admin where it is None."""

    account: str | None
