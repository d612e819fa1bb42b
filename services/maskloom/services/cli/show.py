"""`maskloom show`: a run, or the story of one of its masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maskloom.services.cli.options import AsJson, RunId
from maskloom.services.cli.place import opened

if TYPE_CHECKING:
    from rich.console import Console

    from maskloom.services.api.views import MaskView, RunRecord, StoryView


def show(
    run: RunId,
    *,
    slice_name: Annotated[
        str | None, typer.Option("--slice", help="Tell the story of this slice's masks: its name or digest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run, or where the masks of one of its slices come from."""
    from maskloom.services.cli.output import people, print_json

    with opened() as place:
        one = place.find(run)
        if slice_name is not None:
            story = place.story(one, slice_name)
            if as_json:
                print_json(story)
            else:
                _tell_story(people(), story)
            return
        record = place.record(one)
    if as_json:
        print_json(record)
    else:
        _tell_run(people(), record)


def _tell_run(console: Console, record: RunRecord) -> None:
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


def _status(record: RunRecord) -> str:
    from maskloom.services.words import duration

    driver, still_s = record["driver"], record["still_s"]
    said = (
        f"{record['status']}, by process {driver['pid']} on {driver['host']}" if driver else record["status"]
    )
    return f"{said}; nothing has moved for {duration(still_s)}" if still_s else said


def _tell_story(console: Console, story: StoryView) -> None:
    from maskloom.services.cli.output import facts_table
    from maskloom.services.words import count

    one, masks = story.slice, story.masks
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
    if not masks:
        console.print("\nIt has no mask in this run.")
    else:
        console.print(f"\n{count(len(masks), 'mask')}, oldest first", style="bold")
    in_force = max(masks, key=lambda mask: (mask.kind.precedence, masks.index(mask)), default=None)
    for mask in masks:
        console.print()
        console.print(facts_table(_mask_rows(mask, story.networks, in_force=mask is in_force)))


def _mask_rows(mask: MaskView, networks: dict[str, str], *, in_force: bool) -> list[tuple[str, object]]:
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
