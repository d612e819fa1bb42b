"""`maskloom runs`, `watch`, `pause` and `cancel`: look at runs and ask something of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from maskloom.services.cli.options import AsJson, RunId

if TYPE_CHECKING:
    from maskloom.platform.bootstrap import Platform
    from maskloom.platform.run_facts import Run

_STOPPING_S = 20.0


def runs(as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.catalog import runs as queries
    from maskloom.services.cli.output import listing, people, print_json
    from maskloom.services.records import run_record

    with open_platform() as platform:
        records = [run_record(platform, run) for run in platform.database.transaction(queries.all_runs)]
    if as_json:
        print_json(records)
        return
    console = people()
    if not records:
        console.print("There is no run yet: start one with `maskloom run`, or look at `maskloom demo`.")
        return
    columns = ("run", "status", "recipe", "data set", "seed", "rounds", "Dice", "created")
    table = listing(*columns, right=("seed", "rounds", "Dice"))
    for record in records:
        dice = record["measures"].get("dice")
        table.add_row(
            record["run"],
            record["status"],
            record["recipe"] + (" (changed)" if record["changed"] else ""),
            record["dataset"],
            str(record["seed"]),
            f"{record['rounds_done']} of {record['rounds']}" if record["rounds"] else "-",
            f"{dice['value']:.3f}" if dice else "-",
            f"{record['created_at'].astimezone():%Y-%m-%d %H:%M}",
        )
    console.print(table)


def watch(run: RunId, as_json: AsJson = False) -> None:
    """Follow a run until it ends.

    Exits 0 when it has finished, 1 when it was stopped or failed. Ctrl-C ends the watching, not the run.
    """
    from maskloom.pipelines import drive
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.run_facts import RunStatus
    from maskloom.services.cli.watching import follow, follow_as_json

    with open_platform() as platform:
        one = drive.find(platform, run)
        status = follow_as_json(platform, one) if as_json else follow(platform, one)
    if status is not RunStatus.FINISHED:
        raise typer.Exit(1)


def pause(run: RunId) -> None:
    """Stop a run for now; `resume` goes on."""
    _ask_to_stop(run, "paused")


def cancel(run: RunId) -> None:
    """Stop a run for good. What it has made stays."""
    _ask_to_stop(run, "cancelled")


def _ask_to_stop(prefix: str, kind: str) -> None:
    from maskloom.pipelines import drive
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.run_facts import RunStatus
    from maskloom.services.cli.output import people

    console = people()
    with open_platform() as platform:
        run = drive.find(platform, prefix)
        before = platform.database.transaction(lambda c: drive.request(c, run, kind))
        if before in {RunStatus.FINISHED, RunStatus.CANCELLED}:
            console.print(f"run {run.id} was {before} already: nothing changes")
            return
        holder = _wait_until_free(platform, run)
    if holder is None:
        console.print(f"run {run.id} is {kind}; go on with `maskloom resume {run.id}`")
    else:
        console.print(
            f"run {run.id} will be {kind}: {holder} has heard, or will soon, but has not stopped yet"
        )


def _wait_until_free(platform: Platform, run: Run) -> str | None:
    """Wait for the run's driver to stop; returns who has not."""
    from maskloom.platform.catalog import leases
    from maskloom.platform.catalog import runs as queries

    deadline = time.monotonic() + _STOPPING_S
    while True:
        held = platform.database.transaction(lambda c: leases.current(c, queries.lease_name(run.id)))
        if held is None:
            return None
        if time.monotonic() > deadline:
            return str(held[0])
        time.sleep(0.2)
