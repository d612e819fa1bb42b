"""`maskloom review`: hand masks to readers, take in what they made of them, and see how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskloom.services.cli.options import AsJson, RunId
from maskloom.services.cli.place import opened

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from maskloom.pipelines.review.summary import ReviewSummary
    from maskloom.services.bridge.label_studio.server import Started


def up(as_json: AsJson = False) -> None:
    """Start a Label Studio for this machine; the first time it is installed, which takes some minutes.

    Reviews go there from now on, until `review down`.
    """
    from maskloom.platform.settings import Settings
    from maskloom.services.bridge import process
    from maskloom.services.bridge.label_studio import server
    from maskloom.services.cli.output import people, print_json

    settings = Settings()
    console = people(as_json=as_json)
    started = server.up(settings.home, lambda what: console.print(what, style="dim"))
    process.ensure(settings)
    if as_json:
        print_json(started)
    else:
        tell_started(started, console)


def down() -> None:
    """Stop the Label Studio of this machine. What is in it stays, and `review up` brings it back."""
    from maskloom.platform.settings import Settings
    from maskloom.services.bridge import process
    from maskloom.services.bridge.label_studio import server
    from maskloom.services.cli.output import people

    home = Settings().home
    process.stop(home)
    people().print("Label Studio is stopped." if server.down(home) else "Label Studio was not running.")


def push(run: RunId, as_json: AsJson = False) -> None:
    """Give readers the masks that a run has for them. Doing it again changes nothing."""
    from maskloom.pipelines import drive
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.bridge import sync
    from maskloom.services.bridge.opening import open_tool
    from maskloom.services.cli.output import people, print_json

    with open_platform() as platform:
        tool = open_tool(platform)
        pushed = sync.push(platform, drive.find(platform, run), tool)
    if as_json:
        print_json({"tool": tool.name, "readers": pushed})
        return
    console = people()
    if not pushed:
        console.print("There is nothing to read: this run has opened no review yet.")
    for reader, done in pushed.items():
        console.print(
            f"{reader}: {done.added:,} new, {done.replaced:,} replaced, {done.unchanged:,} as they were"
        )


def pull(run: RunId, as_json: AsJson = False) -> None:
    """Take in what readers have made since the last time."""
    from maskloom.pipelines import drive
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.bridge import sync
    from maskloom.services.bridge.opening import open_tool
    from maskloom.services.cli.output import people, print_json
    from maskloom.services.words import count

    with open_platform() as platform:
        taken = sync.pull(platform, drive.find(platform, run), open_tool(platform))
    if as_json:
        print_json(taken)
        return
    console = people()
    for reader, done in taken.items():
        aside = f", {done.set_aside:,} set aside (see `maskloom review status`)" if done.set_aside else ""
        console.print(f"{reader}: {count(done.answers, 'new answer')}{aside}")
    if not taken:
        console.print("There is nothing to read: this run has opened no review yet.")


def status(run: RunId, as_json: AsJson = False) -> None:
    """Say how far readers are, how well they agree, and what could not be used."""
    from maskloom.services.cli.output import people, print_json

    with opened() as place:
        found = place.review(place.find(run))
    if as_json:
        print_json(found)
    else:
        tell(found, people())


def close(run: RunId) -> None:
    """Close the open reviews of a run: its rounds go on with what is there. Later answers enter a later round."""
    from maskloom.pipelines import drive
    from maskloom.pipelines.review.closing import close_by_command
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import people
    from maskloom.services.words import count

    with open_platform() as platform:
        closed = close_by_command(platform, drive.find(platform, run))
    people().print(f"{count(closed, 'review')} closed" if closed else "No review is open: nothing changes.")


def tell_started(started: Started, console: Console) -> None:
    """Say where Label Studio is, and how one gets in."""
    from maskloom.services.cli.output import facts_table

    console.print(
        "Label Studio runs already" if started.already else "Label Studio is ready", style="bold green"
    )
    rows = [
        ("address", started.url),
        ("log in as", started.username),
        ("password", f"in {started.password_file}"),
    ]
    console.print(facts_table(rows))
    console.print("It goes on when this terminal is closed; `maskloom review down` stops it.", style="dim")


def tell(found: ReviewSummary, console: Console) -> None:
    """Say how the reviews of a run stand."""
    if not found.rounds:
        console.print(
            f"Run {found.run} has opened no review: start one with `maskloom run --review optional`."
        )
        return
    tables = [_rounds(found), _readers(found), *([_pairs(found)] if found.pairs else [])]
    for table in tables:
        console.print(table)
        console.print()
    if found.set_aside:
        console.print(f"{len(found.set_aside):,} set aside, and never learnt from:", style="yellow")
    for thing in found.set_aside:
        console.print(f"  {thing.reader}, {thing.source}: {thing.reason}")


def _rounds(found: ReviewSummary) -> Table:
    from maskloom.services.cli.output import listing

    numbers = ("masks", "accepted", "corrected", "rejected", "disputed")
    table = listing("round", *numbers, "state", right=numbers)
    for one in found.rounds:
        figures = (one.slices, one.accepted, one.corrected, one.rejected, one.disputed)
        state = f"closed: {one.closed}" if one.closed else "open"
        table.add_row(str(one.round), *(f"{number:,}" for number in figures), state)
    return table


def _readers(found: ReviewSummary) -> Table:
    from maskloom.services.cli.output import listing
    from maskloom.services.words import duration

    columns = ("given", "left", "accepted", "corrected", "rejected", "a mask", "in all", "agreement", "gold")
    table = listing("reader", *columns, right=columns)
    for reader in found.readers:
        counts = (reader.given, reader.left, reader.accepted, reader.corrected, reader.rejected)
        table.add_row(
            reader.reader,
            *(f"{number:,}" for number in counts),
            "-" if reader.median_s is None else duration(reader.median_s),
            "-" if reader.median_s is None else duration(reader.total_s),
            "-" if reader.agreement is None else f"{reader.agreement:.2f}",
            "-" if reader.gold is None else f"{reader.gold.dice:.2f} ({reader.gold.slices})",
        )
    return table


def _pairs(found: ReviewSummary) -> Table:
    from maskloom.services.cli.output import listing

    columns = ("slices", "Dice", "HD95", "kappa")
    table = listing("readers", *columns, right=columns)
    for pair in found.pairs:
        between = pair.agreement
        figures = (
            f"{between.slices:,}",
            f"{between.dice:.3f}",
            f"{between.hd95:.1f} px",
            f"{between.kappa:.2f}",
        )
        table.add_row(" and ".join(pair.readers), *figures)
    return table
