"""`maskloom recipes`: what can be run, and every value that `--set` knows."""

from __future__ import annotations

from typing import Annotated

import typer

from maskloom.services.cli.options import AsJson


def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A recipe, to see its values.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes, or every value of one."""
    from maskloom.pipelines import recipes as known
    from maskloom.services.cli.output import listing, people, print_json
    from maskloom.services.recipe_values import described

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
    for value in described(recipe):
        table.add_row(value.key, value.written, value.can_be)
    console.print(table)
    console.print(f"\nChange one with: maskloom run {name} --set KEY=VALUE", style="dim")
