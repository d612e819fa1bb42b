"""`maskloom models`: networks with names, and which of them is the champion of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskloom.platform.errors import NothingToDo, UnknownName
from maskloom.services.cli.options import AsJson, Dataset, RunId

if TYPE_CHECKING:
    from maskloom.platform.audit_facts import Act

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
    from maskloom.pipelines.registry.comparing import contenders
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.catalog import slices
    from maskloom.services.cli.output import people, print_json
    from maskloom.services.model_records import model_record

    with open_platform() as platform:
        known = platform.database.transaction(slices.dataset_names)
        if dataset not in {None, *known}:
            raise UnknownName(f"there is no data set {dataset!r}", hint=f"Data sets: {', '.join(known)}.")
        wanted = known if dataset is None else [dataset]
        records = [model_record(one) for name in wanted for one in contenders(platform, name)]
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
    from maskloom.pipelines import drive
    from maskloom.pipelines.registry import promoting
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import people

    with open_platform() as platform:
        one = drive.find(platform, run)
        act = _act("model.registered", one.dataset, name)
        model = platform.database.transaction(lambda c: promoting.register(c, one, name, act))
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
    from maskloom.pipelines.registry import promoting
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import people

    with open_platform() as platform:
        act = _act("model.promoted", dataset, name)
        model = platform.database.transaction(
            lambda c: promoting.promote(c, platform.objects, dataset, name, act, override)
        )
    people().print(f"{model.name} is the champion of {dataset}")


def rollback(*, dataset: Dataset, reason: Reason = None) -> None:
    """Give the champion up for the one before it."""
    from maskloom.pipelines.registry import promoting
    from maskloom.platform.bootstrap import open_platform
    from maskloom.platform.catalog import registry
    from maskloom.services.cli.output import people

    with open_platform() as platform:
        now = platform.database.transaction(lambda c: registry.champion(c, dataset))
        if now is None:
            raise NothingToDo(
                f"data set {dataset!r} has no champion", hint="`maskloom models` lists what there is."
            )
        given_up = now.name
        act = _act("model.rolled_back", dataset, given_up)
        model = platform.database.transaction(lambda c: promoting.rollback(c, dataset, given_up, act, reason))
    people().print(f"{model.name} is the champion of {dataset} again, in place of {given_up}")


def archive(name: Name, *, dataset: Dataset) -> None:
    """Put a model aside that is not the champion; `register` brings it back."""
    from maskloom.pipelines.registry import promoting
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli.output import people

    with open_platform() as platform:
        act = _act("model.archived", dataset, name)
        model = platform.database.transaction(lambda c: promoting.archive(c, dataset, name, act))
    people().print(f"{model.name} is {model.stage}")


def _act(action: str, dataset: str, name: str) -> Act:
    """What the audit trail keeps of what the user of this process does."""
    import getpass

    from maskloom.platform.audit_facts import Act

    return Act(
        who=getpass.getuser(),
        via="command",
        address="this machine",
        action=action,
        target=name,
        dataset=dataset,
    )


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
