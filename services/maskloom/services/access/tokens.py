"""Tokens, by which programs come in: `mlm_ID_SECRET` in the header `Authorization: Bearer`."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from sqlalchemy import Connection

from maskloom.platform.account_facts import Role, Token
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, credentials
from maskloom.platform.errors import SettingsError, UnknownName
from maskloom.services.access import passwords
from maskloom.services.access.caller import Caller

LONGEST = timedelta(days=366)
MOST = 50
"""So many tokens of one account may work at a time."""
_TOKEN = re.compile(r"mlm_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")


def make(
    connection: Connection,
    caller: Caller,
    *,
    label: str,
    role: Role,
    dataset: str | None,
    lifetime: timedelta,
) -> tuple[Token, str]:
    """A new token of the caller, and the text of it, which nobody can read again.

    Raises SettingsError for a lifetime that is none or over a year and for one token too many, and what `Caller.must_be`
    raises: a token may never do more than who makes it.
    """
    if not timedelta(0) < lifetime <= LONGEST:
        raise SettingsError(f"a token works for at most {LONGEST.days} days", hint="Make a new one in time.")
    if dataset is not None:
        caller.must_be(role, dataset)
    elif not caller.ceiling.reaches(role) or caller.only is not None:
        raise SettingsError(
            f"this token may not make one that may do more than itself ({caller.ceiling})",
            hint="Sign in with your password.",
        )
    token_id, secret = secrets.token_hex(8), passwords.new_secret()
    if credentials.count_tokens(connection, caller.account.name) >= MOST:
        raise SettingsError(f"you have {MOST} tokens already", hint="Revoke those that nobody uses any more.")
    token = credentials.add_token(
        connection,
        passwords.digest_of(secret),
        lifetime,
        token_id=token_id,
        account=caller.account.name,
        label=label,
        role=role,
        dataset=dataset,
    )
    detail = {"role": role, "expires_at": token.expires_at.isoformat()}
    audit.append(connection, caller.act("token.made", token_id, dataset=dataset, **detail))
    return token, f"mlm_{token_id}_{secret}"


def revoke(platform: Platform, caller: Caller, account: str, token_id: str) -> None:
    """End a token of `account`: the caller's own, or anybody's for an admin. Raises NotAllowed, UnknownName."""
    if account != caller.account.name:
        caller.must_be_admin()

    def end(connection: Connection) -> None:
        if not credentials.end_token(connection, account, token_id):
            raise UnknownName(f"{account} has no token {token_id[:16]!r}", hint="List them to see their ids.")
        audit.append(connection, caller.act("token.revoked", token_id, account=account))

    platform.database.transaction(end)


def caller_of(platform: Platform, text: str, address: str) -> Caller | None:
    """Who asks with this token; None when it is none, has expired, was revoked, or its account is not let in."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    digest = passwords.digest_of(match["secret"])
    found = platform.database.transaction(lambda c: credentials.by_token(c, match["id"], digest))
    if found is None:
        return None
    token, account = found
    return Caller(
        account=account, via=f"token {token.id}", address=address, ceiling=token.role, only=token.dataset
    )
