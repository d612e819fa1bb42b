"""What commands say of a run before and after it: which it is, what came of it, and what to do with that."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from maskloom.platform.run_facts import RunStatus
from maskloom.services.api.views import RunRecord
from maskloom.services.cli.output import facts_table, measures_table
from maskloom.services.records import recipe_in_words
from maskloom.services.words import count, short


def announce(console: Console, record: RunRecord, *, is_new: bool) -> None:
    """Say which run it is, and whether it is new, goes on, or has finished already."""
    experts, pool = count(record["labelled"], "expert mask"), count(record["pool"], "slice")
    recipe = recipe_in_words(record["recipe"], record["changed"])
    what = f"{recipe} on {record['dataset']}, seed {record['seed']}: {experts}, {pool} to label"
    verbs = {RunStatus.FINISHED: "has finished already:", RunStatus.RUNNING: "runs:"}
    verb = "is new:" if is_new else verbs.get(record["status"], "goes on:")
    console.print(Text.assemble("run ", (record["run"], "bold"), f" {verb} {what}"))


def tell_result(console: Console, record: RunRecord) -> None:
    """What a finished run has made, and what to do with it."""
    counts = record["counts"]
    masks = f"{counts['labels']:,} made; {counts['kept']:,} of {counts['gated']:,} passed the gate"
    console.print()
    console.print(
        facts_table(
            [
                ("run", f"{record['run']} ({record['status']})"),
                ("network", short(record["final_checkpoint"])),
                ("masks", masks if counts["labels"] else "none: this recipe labels no slices"),
            ]
        )
    )
    if record["measures"]:
        console.print("\non the test slices", style="bold")
        console.print(measures_table(record["measures"]))


def tell_next(console: Console, record: RunRecord) -> None:
    """What can be done with a finished run."""
    console.print("\nWhat next:", style="dim")
    for command in (
        f"maskloom report {record['run']} --out report.html",
        f"maskloom export {record['run']} --format png --out masks",
        f"maskloom predict {record['run']} IMAGES --out predictions",
    ):
        console.print(f"  {command}", style="dim")
