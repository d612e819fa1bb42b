"""Leaves a run to whichever `maskloom serve` has room for it."""

from __future__ import annotations

import getpass

from rich.console import Console

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import tickets
from maskloom.platform.run_facts import Priority, Run, Ticket


def put_in_queue(platform: Platform, run: Run, priority: Priority, workers: int, console: Console) -> None:
    """Queue `run` for the user of this process, and say so. A finished run stays finished."""
    ticket = Ticket(owner=getpass.getuser(), priority=priority, workers=workers)
    if platform.database.transaction(lambda c: tickets.queue(c, run.id, ticket)):
        console.print(f"It is queued, with {priority} priority: `maskloom serve` drives it.")
        console.print(
            f"Follow it with `maskloom watch {run.id}`, stop it with `maskloom pause {run.id}`.", style="dim"
        )
    else:
        console.print(f"There was nothing left to do: see `maskloom show {run.id}`.")
