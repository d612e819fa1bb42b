"""`maskloom runs`, `watch`, `pause` and `cancel`: look at runs and ask something of them."""

from __future__ import annotations

import time

import typer

from maskloom.services.cli.options import AsJson, RunId
from maskloom.services.cli.place import Place, opened

_STOPPING_S = 20.0


def runs(as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    from maskloom.services.cli.output import listing, people, print_json

    with opened() as place:
        records = [*place.records()]
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
    from maskloom.platform.run_facts import RunStatus
    from maskloom.services.cli.watching import follow, follow_as_json

    with opened() as place:
        one = place.find(run)
        status = follow_as_json(place, one) if as_json else follow(place, one)
    if status is not RunStatus.FINISHED:
        raise typer.Exit(1)


def pause(run: RunId) -> None:
    """Stop a run for now; `resume` goes on."""
    _ask_to_stop(run, "paused")


def cancel(run: RunId) -> None:
    """Stop a run for good. What it has made stays."""
    _ask_to_stop(run, "cancelled")


def _ask_to_stop(prefix: str, kind: str) -> None:
    from maskloom.platform.run_facts import RunStatus
    from maskloom.services.cli.output import people

    console = people()
    with opened() as place:
        run = place.find(prefix)
        before = place.stop(run, kind)
        if before in {RunStatus.FINISHED, RunStatus.CANCELLED}:
            console.print(f"run {run} was {before} already: nothing changes")
            return
        driver = _wait_until_free(place, run)
    if driver is None:
        console.print(f"run {run} is {kind}; go on with `maskloom resume {run}`")
    else:
        console.print(f"run {run} will be {kind}: {driver} has heard, or will soon, but has not stopped yet")


def _wait_until_free(place: Place, run: str) -> str | None:
    """Wait for the run's driver to stop; returns who has not."""
    deadline = time.monotonic() + _STOPPING_S
    while True:
        driver = place.glance(run).driver
        if driver is None or time.monotonic() > deadline:
            return driver
        time.sleep(0.2)
