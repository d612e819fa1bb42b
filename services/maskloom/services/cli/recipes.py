"""`maskloom recipes`: what can be run, and every value that `--set` knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maskloom.services.cli.options import AsJson
from maskloom.services.cli.place import connected, server

if TYPE_CHECKING:
    from maskloom.services.api.views import RecipeView


def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A recipe, to see its values.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes, or every value of one."""
    from maskloom.pipelines.recipes import no_recipe
    from maskloom.services.cli.output import listing, people, print_json
    from maskloom.services.words import written

    known = {recipe.name: recipe for recipe in _every_recipe()}
    if name is not None and name not in known:
        raise no_recipe(name, known)
    if as_json:
        every = {
            key: {"method": recipe.method, "values": recipe.values}
            for key, recipe in known.items()
            if name in {None, key}
        }
        print_json(every if name is None else every[name])
        return
    console = people()
    if name is None:
        table = listing("recipe", "method", "backbone", "slice size", "a round labels", right=("slice size",))
        for key, recipe in known.items():
            group = recipe.values.get("sampler.group_size")
            table.add_row(
                key,
                recipe.method,
                recipe.values["network.backbone"],
                f"{recipe.values['supervised.size']} px",
                f"{group} slices" if group else "-",
            )
        console.print(table)
        console.print("\n`maskloom recipes NAME` lists the values that --set can change.", style="dim")
        return
    table = listing("value", "is", "can be")
    for key, value in known[name].values.items():
        table.add_row(key, written(value), known[name].choices[key])
    console.print(table)
    console.print(f"\nChange one with: maskloom run {name} --set KEY=VALUE", style="dim")


def _every_recipe() -> list[RecipeView]:
    """Those of the server, or of this maskloom itself, for which nothing has to be opened."""
    url = server()
    if url is None:
        from maskloom.services.recipe_book import every_recipe

        return every_recipe()
    with connected(url) as client:
        return [*client.recipes.list()]
