"""`maskloom audit`: whether the audit trail is as it was written, and all of it as a table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from maskloom.platform.audit_facts import Broken, Head
from maskloom.platform.errors import SettingsError
from maskloom.services.cli.options import AsJson, written_to
from maskloom.services.cli.place import opened

_NOTED = re.compile(r"(?P<number>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")


def _head(given: str) -> Head:
    match = _NOTED.fullmatch(given.strip())
    if match is None:
        raise SettingsError(
            "--noted is not NUMBER:HASH", hint="Write it as an earlier `maskloom audit verify` said it."
        )
    return Head(number=int(match["number"]), hash=match["hash"])


def verify(
    noted: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:HASH", help="A head of former days, which must be in it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look whether every entry of the audit trail is as it was written, and in its place.

    Exits 1 where one was changed, removed, put in or moved.
    """
    from maskloom.services.cli.output import people, print_json
    from maskloom.services.words import count

    head = Head(number=0, hash="") if noted is None else _head(noted)
    with opened() as place:
        found = place.verify(head)
    if as_json:
        print_json(found)
    elif isinstance(found, Broken):
        people().print(
            f"The audit trail is broken at entry {found.number}: {found.reason}.", style="bold red"
        )
    elif not found.number:
        people().print("The audit trail holds. It is empty.")
    else:
        people().print(
            f"The audit trail holds: {count(found.number, 'entry', 'entries')}. Its head, to note elsewhere:"
        )
        people().print(f"{found.number}:{found.hash}")
    if isinstance(found, Broken):
        raise typer.Exit(1)


def export(out: Annotated[Path, written_to("The CSV file to write.")]) -> None:
    """Write the whole audit trail as CSV, oldest entry first."""
    from maskloom.pipelines.out_folder import write_file
    from maskloom.services.audit_table import as_csv
    from maskloom.services.cli.output import people
    from maskloom.services.words import count

    with opened() as place:
        rows, table = as_csv(place.entries())
    write_file(out, table)
    people().print(f"{count(rows, 'entry', 'entries')} in {out}")
