"""What admins do to accounts, each with its line in the audit trail."""

from __future__ import annotations

from sqlalchemy import Connection

from maskloom.platform.account_facts import Account, Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import accounts, audit, credentials, slices
from maskloom.platform.errors import NothingToDo, SettingsError, UnknownName
from maskloom.services.access import signing_in
from maskloom.services.access.caller import Caller, no_dataset


def add(connection: Connection, caller: Caller, name: str, *, admin: bool) -> str:
    """A new account; the secret of the link by which its owner chooses a password. Raises SettingsError, NotAllowed."""
    caller.must_be_admin()
    signing_in.check_name(name)
    if not accounts.add(connection, name, admin=admin):
        raise SettingsError(f"there is an account {name!r} already", hint="Choose another name.")
    audit.append(connection, caller.act("account.made", name, admin=admin))
    return invite(connection, caller, name)


def invite(connection: Connection, caller: Caller, name: str) -> str:
    """The secret of a link by which the account's owner chooses a new password. Raises UnknownName, NotAllowed."""
    caller.must_be_admin()
    _find(connection, name)
    return signing_in.invite(connection, name, caller.act("invitation.made", name))


def change(platform: Platform, caller: Caller, name: str, *, admin: bool, active: bool) -> Account:
    """Make an account an admin or not, and let it in or not; who is not let in is out at once.

    Raises UnknownName, NotAllowed, and NothingToDo where no admin would be left.
    """
    caller.must_be_admin()

    def update(connection: Connection) -> Account:
        _find(connection, name)
        accounts.set_state(connection, name, admin=admin, active=active)
        if not accounts.has_admin(connection):
            raise NothingToDo(f"{name} is the last admin", hint="Make somebody else an admin first.")
        if not active:
            credentials.end_sessions(connection, name)
        audit.append(connection, caller.act("account.changed", name, admin=admin, active=active))
        return _find(connection, name)

    return platform.database.transaction(update)


def grant(platform: Platform, caller: Caller, name: str, dataset: str, role: Role | None) -> Account:
    """Give an account a role on a data set, or take it away (None). Raises UnknownName, NotAllowed, SettingsError."""
    caller.must_be_admin()
    if role is Role.ADMIN:
        raise SettingsError("admin is no role on a data set", hint="Make the account an admin instead.")

    def update(connection: Connection) -> Account:
        _find(connection, name)
        if dataset not in slices.dataset_names(connection):
            raise no_dataset(dataset)
        accounts.grant(connection, name, dataset, role)
        audit.append(connection, caller.act("role.granted", name, dataset=dataset, role=role))
        return _find(connection, name)

    return platform.database.transaction(update)


def _find(connection: Connection, name: str) -> Account:
    account = accounts.find(connection, name)
    if account is None:
        raise UnknownName(f"there is no account {name[:64]!r}", hint="`GET /api/v1/accounts` lists them.")
    return account
