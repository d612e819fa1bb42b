"""`maskloom show`: a run, or the story of one of its masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskloom.platform.errors import UnknownName
from maskloom.services.cli.options import AsJson, RunId

if TYPE_CHECKING:
    from rich.console import Console

    from maskloom.pipelines.history import MaskRecord
    from maskloom.platform.bootstrap import Platform
    from maskloom.platform.facts import Slice
    from maskloom.platform.run_facts import Run


def show(
    run: RunId,
    *,
    slice_name: Annotated[
        str | None, typer.Option("--slice", help="Tell the story of this slice's masks: its name or digest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run, or where the masks of one of its slices come from."""
    from maskloom.pipelines import drive
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import people, print_json
    from maskloom.services.records import run_record

    with open_platform() as platform:
        one = drive.find(platform, run)
        if slice_name is not None:
            _show_slice(platform, one, slice_name, as_json=as_json)
            return
        record = run_record(platform, one)
    if as_json:
        print_json(record)
    else:
        _tell_run(people(), record)


def _tell_run(console: Console, record: dict[str, Any]) -> None:
    from maskloom.services.cli.output import facts_table, measures_table
    from maskloom.services.words import count, duration

    counts = record["counts"]
    changed = ", ".join(f"{key}={value}" for key, value in record["changed"].items())
    rows: list[tuple[str, object]] = [
        ("run", record["run"]),
        ("status", _status(record)),
        ("recipe", f"{record['recipe']}{' with ' + changed if changed else ''}"),
        (
            "data set",
            f"{record['dataset']}: {count(record['labelled'], 'expert mask')}, {record['pool']:,} to label",
        ),
        ("seed", record["seed"]),
        ("created", f"{record['created_at'].astimezone():%Y-%m-%d %H:%M:%S}"),
        ("rounds", f"{record['rounds_done']} of {record['rounds']}" if record["rounds"] else "none"),
        ("steps", f"{counts['steps']:,} done in {duration(record['seconds'])}"),
        (
            "masks",
            f"{counts['labels']:,} made; {counts['kept']:,} of {counts['gated']:,} passed the gate",
        ),
        ("network", record["final_checkpoint"] or record["newest_checkpoint"] or "none yet"),
    ]
    console.print(facts_table(rows))
    for evaluation in record["evaluations"]:
        which = "" if evaluation["checkpoint"] == record["final_checkpoint"] else ", an earlier network"
        where = f"{evaluation['split']} slices of {evaluation['dataset']} ({evaluation['slices']}){which}"
        console.print(f"\non the {where}", style="bold")
        console.print(measures_table(evaluation["measures"]))
    if record["errors"]:
        console.print(f"\n{count(len(record['errors']), 'failed attempt')}", style="bold")
        for error in record["errors"][-5:]:
            console.print(f"  {error['at'][:19]}  {error['error']}", style="red")


def _status(record: dict[str, Any]) -> str:
    from maskloom.services.words import duration

    driver, still_s = record["driver"], record["still_s"]
    said = (
        f"{record['status']}, by process {driver['pid']} on {driver['host']}" if driver else record["status"]
    )
    return f"{said}; nothing has moved for {duration(still_s)}" if still_s else said


def _show_slice(platform: Platform, run: Run, name: str, *, as_json: bool) -> None:
    from maskloom.pipelines.history import story_of_slice
    from maskloom.services.cli.output import people, print_json

    found = _find_slice(platform, run, name)
    story = story_of_slice(platform, run, found.digest)
    networks = _networks(platform, run)
    if as_json:
        print_json({"run": run.id, "slice": found, "masks": story})
    else:
        _tell_story(people(), found, story, networks)


def _find_slice(platform: Platform, run: Run, name: str) -> Slice:
    import difflib

    from maskloom.platform.catalog import slices

    found = platform.database.transaction(lambda c: slices.find(c, run.dataset, name))
    if len(found) == 1:
        return found[0]
    if found:
        digests = ", ".join(f"{one.digest[:12]} ({one.split})" for one in found)
        raise UnknownName(f"several slices are called {name!r}", hint=f"Name one by its digest: {digests}.")
    names = [one.name for one in platform.database.transaction(lambda c: slices.of_dataset(c, run.dataset))]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    raise UnknownName(
        f"data set {run.dataset!r} has no slice {name!r}",
        hint=f"Did you mean {' or '.join(near)}?"
        if near
        else "Name it as its file was called below the folder.",
    )


def _networks(platform: Platform, run: Run) -> dict[str, str]:
    """Which training made each checkpoint of the run, in words."""
    from maskloom.platform.catalog import steps
    from maskloom.services.following import Following, parsed

    following = Following()
    networks = {}
    for record in platform.database.transaction(lambda c: steps.of_run(c, run.id)):
        if record.kind == "train":
            place = f" of round {record.round}" if record.round else ""
            networks[record.output["digest"]] = following.stage(record.kind, record.round) + place
        following.done(record.kind, record.round, parsed(record.kind, record.output), record.seconds)
    return networks


def _tell_story(console: Console, one: Slice, story: list[MaskRecord], networks: dict[str, str]) -> None:
    from maskloom.services.cli.output import facts_table
    from maskloom.services.words import count

    console.print(
        facts_table(
            [
                ("slice", one.name),
                ("volume", f"{one.volume}, position {one.position}"),
                ("split", one.split),
                ("size", f"{one.width} x {one.height} pixels, {one.bits} bits"),
                ("digest", one.digest),
            ]
        )
    )
    if not story:
        console.print("\nIt has no mask in this run.")
    else:
        console.print(f"\n{count(len(story), 'mask')}, oldest first", style="bold")
    in_force = max(story, key=lambda mask: (mask.kind.precedence, story.index(mask)), default=None)
    for mask in story:
        console.print()
        console.print(facts_table(_mask_rows(mask, networks, in_force=mask is in_force)))


def _mask_rows(mask: MaskRecord, networks: dict[str, str], *, in_force: bool) -> list[tuple[str, object]]:
    made = f"{mask.stage}, {mask.made_at.astimezone():%Y-%m-%d %H:%M:%S}"
    rows: list[tuple[str, object]] = [
        (mask.kind, f"{made}{', in force' if in_force else ''}"),
        ("  mask", mask.mask),
    ]
    if mask.checkpoint is not None:
        rows.append(("  network", f"{mask.checkpoint} ({networks.get(mask.checkpoint, 'of another run')})"))
        rows.append(("  seed", mask.seed))
    if mask.gate is not None:
        rows.append(("  gate", f"{mask.gate}: {'kept' if mask.kept else 'refused, ' + (mask.reason or '')}"))
    scores = {"area": mask.area, "peak": mask.peak, "uncertainty": mask.uncertainty}
    said = [f"{name} {value:.4f}" for name, value in scores.items() if value is not None]
    rows.append(("  scores", ", ".join(said)))
    return rows
