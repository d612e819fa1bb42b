"""`maskloom models`: networks with names, and which of them is the champion of a data set."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from maskloom.platform.errors import NothingToDo, UnknownName
from maskloom.platform.model_facts import Stage
from maskloom.services.cli.options import AsJson, Dataset, RunId
from maskloom.services.cli.place import opened

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name (`maskloom models`).")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it is kept with the promotion.")]


def models(
    context: typer.Context,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Only models of this data set.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give networks names, and choose which of them a data set uses. Alone, it lists the models."""
    if context.invoked_subcommand is not None:
        return
    from maskloom.services.cli.output import people, print_json

    with opened() as place:
        known = place.datasets()
        if dataset not in {None, *known}:
            raise UnknownName(f"there is no data set {dataset!r}", hint=f"Data sets: {', '.join(known)}.")
        wanted = known if dataset is None else [dataset]
        records = [record for name in wanted for record in place.models(name)]
    if as_json:
        print_json(records)
    elif records:
        _tell(records)
    else:
        people().print("There is no model yet: maskloom models register RUN --name NAME.")


def register(
    run: RunId, *, name: Annotated[str, typer.Option(help="How it is to be called in its data set.")]
) -> None:
    """Give the network of a finished run a name: it is a candidate from now on."""
    from maskloom.services.cli.output import people

    with opened() as place:
        model = place.register(place.find(run), name)
    people().print(f"{model.name} is a {model.stage} of {model.dataset}: the network of run {model.run}")


def promote(
    name: Name,
    *,
    dataset: Dataset,
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Promote it although its measures do not say so, and why."),
    ] = None,
) -> None:
    """Make a model the champion: it has to be better on the test split by the paired bootstrap.

    The champion before it is archived. Who follows the champion uses this one from now on.
    """
    from maskloom.services.cli.output import people

    with opened() as place:
        model = place.promote(dataset, name, override)
    people().print(f"{model.name} is the champion of {dataset}")


def rollback(*, dataset: Dataset, reason: Reason = None) -> None:
    """Give the champion up for the one before it."""
    from maskloom.services.cli.output import people

    with opened() as place:
        now = next((one["name"] for one in place.models(dataset) if one["stage"] is Stage.CHAMPION), None)
        if now is None:
            raise NothingToDo(
                f"data set {dataset!r} has no champion", hint="`maskloom models` lists what there is."
            )
        model = place.rollback(dataset, now, reason)
    people().print(f"{model.name} is the champion of {dataset} again, in place of {now}")


def archive(name: Name, *, dataset: Dataset) -> None:
    """Put a model aside that is not the champion; `register` brings it back."""
    from maskloom.services.cli.output import people

    with opened() as place:
        model = place.archive(dataset, name)
    people().print(f"{model.name} is {model.stage}")


def _tell(records: list[dict[str, Any]]) -> None:
    from maskloom.services.cli.output import listing, people
    from maskloom.services.words import short

    columns = ("model", "data set", "stage", "run", "network", "slices", "Dice", "more than the champion")
    table = listing(*columns, right=("slices", "Dice"))
    for record in records:
        dice = record["measures"].get("dice")
        difference = (record["differences"] or {}).get("dice")
        table.add_row(
            record["name"],
            record["dataset"],
            record["stage"],
            record["run"],
            short(record["checkpoint"]),
            str(record["slices"] or "-"),
            f"{dice['value']:.3f}" if dice else "-",
            "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**difference) if difference else "-",
        )
    people().print(table)
