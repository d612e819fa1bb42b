"""`maskloom recipes`: what can be run, and every value that `--set` knows."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from maskloom.services.cli.options import AsJson


def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A recipe, to see its values.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes, or every value of one."""
    from maskloom.pipelines import recipes as known
    from maskloom.services.cli.output import listing, people, print_json

    if as_json:
        chosen = known.RECIPES if name is None else {name: known.named(name)}
        every = {
            key: {"method": recipe.method, "values": known.values(recipe)} for key, recipe in chosen.items()
        }
        print_json(every if name is None else every[name])
        return
    console = people()
    if name is None:
        table = listing("recipe", "method", "backbone", "slice size", "a round labels", right=("slice size",))
        for key, recipe in known.RECIPES.items():
            group = known.values(recipe).get("sampler.group_size")
            size = f"{recipe.supervised.size} px"
            table.add_row(
                key, recipe.method, recipe.network.backbone, size, f"{group} slices" if group else "-"
            )
        console.print(table)
        console.print("\n`maskloom recipes NAME` lists the values that --set can change.", style="dim")
        return
    recipe = known.named(name)
    table = listing("value", "is", "can be")
    for key, value in known.values(recipe).items():
        table.add_row(key, _shown(value), _choices(recipe, key.split(".")))
    console.print(table)
    console.print(f"\nChange one with: maskloom run {name} --set KEY=VALUE", style="dim")


def _shown(value: Any) -> str:
    """As `--set` takes it."""
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _choices(record: Any, path: list[str]) -> str:
    for part in path[:-1]:
        record = getattr(record, part)
    return _words(get_type_hints(type(record))[path[-1]])


def _words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join(_words(choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {_words(get_args(hint)[0])}s"
    known = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "null"}
    return known.get(hint, str(hint))
