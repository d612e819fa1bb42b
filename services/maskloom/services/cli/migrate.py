"""`maskloom migrate`: the schema brought up to date, by itself."""

from __future__ import annotations


def migrate() -> None:
    """Bring the database to this version of maskloom.

    Everything that uses the database does so when it starts; this is for who wants it done before.
    """
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import people

    with open_platform() as platform:
        people().print(f"the database is at {platform.database.schema_version()}")
