"""Whose account it is that somebody whom a provider vouches for comes in with."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection

from maskloom.platform.account_facts import ACCOUNT_NAME, Identity
from maskloom.platform.audit_facts import Act
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts, audit, identities
from maskloom.services.access import signing_in
from maskloom.services.access.signing_in import NOBODY, Via
from maskloom.services.errors import NotSignedIn


def come_in(platform: Platform, identity: Identity, address: str) -> str:
    """The secret of a new session. Somebody unknown gets an account without any role, which an admin may give it.

    Raises NotSignedIn where the account is not let in; that too is in the audit trail.
    """

    def account(connection: Connection) -> tuple[str, bool]:
        name = identities.find(connection, identity) or _new(connection, identity, address)
        found = accounts.find(connection, name)
        return name, found is not None and found.active

    name, active = platform.database.transaction(account)
    if not active:
        refuse(platform, address, "the account is not active", name)
        raise NotSignedIn(f"the account {name} is not let in", hint="Ask an admin of this maskloom.")
    return signing_in.new_session(platform, name, address, Via.PROVIDER)


def refuse(platform: Platform, address: str, reason: str, name: str = "unknown") -> None:
    """Note that somebody was not let in."""
    act = signing_in.act("session.refused", name, address, who=NOBODY, via=Via.PROVIDER, reason=reason)
    platform.database.transaction(lambda connection: audit.append(connection, act))


def _new(connection: Connection, identity: Identity, address: str) -> str:
    digest = hashlib.sha256(f"{identity.issuer} {identity.subject}".encode()).hexdigest()
    wanted = [name.lower() for name in identity.names if ACCOUNT_NAME.fullmatch(name.lower())]
    # Never one that is there: whose it is, the provider cannot know.
    name = next(one for one in (*wanted, f"person-{digest[:16]}") if accounts.add(connection, one))
    identities.add(connection, identity, name)
    act: Act = signing_in.act(
        "account.made", name, address, who=name, via=Via.PROVIDER, issuer=identity.issuer
    )
    audit.append(connection, act)
    return name
