"""Leaves runs to whichever `maskloom serve` has room for them: by this machine's catalog, or through a server."""

from __future__ import annotations

import getpass

from rich.console import Console

from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import tickets
from maskloom.platform.run_facts import Priority, Run, RunStatus, Ticket
from maskloom.services.cli.output import people, print_json
from maskloom.services.cli.telling import announce
from maskloom.services.client import Client


def put_in_queue(platform: Platform, run: Run, priority: Priority, workers: int, console: Console) -> None:
    """Queue `run` for the user of this process, and say so. A finished run stays finished."""
    ticket = Ticket(owner=getpass.getuser(), priority=priority, workers=workers)
    queued = platform.database.transaction(lambda c: tickets.queue(c, run.id, ticket))
    _tell(console, run.id, priority, queued=queued)


def start_there(
    client: Client,
    recipe: str,
    dataset: str,
    settings: list[str],
    *,
    seed: int,
    workers: int,
    priority: Priority,
    as_json: bool,
) -> None:
    """Have a run made and queued by the maskloom that `client` reaches, and say which."""
    started = client.runs.start(
        dataset, recipe, settings=settings, seed=seed, priority=priority, workers=workers
    )
    _tell_of_one_there(client, started.id, priority, is_new=started.new, as_json=as_json)


def resume_there(client: Client, run: str, *, workers: int, priority: Priority, as_json: bool) -> None:
    """Have a run queued again by the maskloom that `client` reaches, and say which."""
    client.runs.resume(run, priority=priority, workers=workers)
    _tell_of_one_there(client, run, priority, is_new=False, as_json=as_json)


def _tell_of_one_there(client: Client, run: str, priority: Priority, *, is_new: bool, as_json: bool) -> None:
    console = people(as_json=as_json)
    record = client.runs.get(run)
    announce(console, record, is_new=is_new)
    _tell(console, run, priority, queued=record["status"] is not RunStatus.FINISHED)
    if as_json:
        print_json(record)


def _tell(console: Console, run: str, priority: Priority, *, queued: bool) -> None:
    if queued:
        console.print(f"It is queued, with {priority} priority: `maskloom serve` drives it.")
        console.print(
            f"Follow it with `maskloom watch {run}`, stop it with `maskloom pause {run}`.", style="dim"
        )
    else:
        console.print(f"There was nothing left to do: see `maskloom show {run}`.")
