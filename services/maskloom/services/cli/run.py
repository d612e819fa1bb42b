"""`maskloom run` and `resume`: drive a run, or a matrix of them, here or in the background, or leave it to `maskloom serve`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from maskloom.platform.errors import SettingsError
from maskloom.platform.run_facts import Priority
from maskloom.services.cli.options import AsJson, Dataset, Detach, Queue, RunId, Workers, written_to
from maskloom.services.cli.place import connected, server


class Review(StrEnum):
    """The modes of a review, as `parameters.ReviewParameters` has them."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


def run(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="What to do: see `maskloom recipes`.")
    ] = None,
    *,
    dataset: Dataset,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Another seed is another run.", show_default="0"),
    ] = None,
    matrix: Annotated[
        str | None,
        typer.Option(
            metavar="AXES",
            help="Many runs side by side, then a table and a plot: seed=0..4,sampler=random,volume. "
            "Axes: seed, recipe, sampler, gate, and every KEY of --set.",
        ),
    ] = None,
    side_by_side: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --matrix: how many runs go on at a time.", show_default="1", metavar="N"
        ),
    ] = None,
    out: Annotated[
        Path | None, written_to("With --matrix: the PNG or SVG file to draw. Else one in this folder.")
    ] = None,
    review: Annotated[
        Review | None,
        typer.Option(
            help="Let readers look at the masks: rounds go on meanwhile (optional), or wait (required)."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe. Can be given again."),
    ] = None,
    workers: Workers = 1,
    detach: Detach = False,
    queue: Queue = None,
    as_json: AsJson = False,
) -> None:
    """Run a recipe on a data set, or a matrix of recipes, values and seeds.

    The same recipe, data and seed are the same run: what it did before is not done again. With --server it is queued there.
    """
    mode = [f"review.mode={review}"] if review else []
    changes = mode + (settings or [])
    url = server()
    if matrix is not None:
        from maskloom.services.cli.matrix import Wish, run_matrix

        _nothing_against_a_matrix(
            seed=seed, detach=detach, side_by_side=side_by_side, queued=bool(queue or url)
        )
        run_matrix(
            Wish(
                axes=matrix,
                recipe=recipe,
                dataset=dataset,
                settings=changes,
                workers=workers,
                side_by_side=None if queue or url else side_by_side or 1,
                priority=queue or Priority.NORMAL,
                out=out,
                as_json=as_json,
            )
        )
        return
    if side_by_side is not None or out is not None:
        raise SettingsError("--side-by-side and --out are about a matrix", hint="Give --matrix as well.")
    if recipe is None:
        raise SettingsError("no recipe is given", hint="`maskloom recipes` lists what can be run.")
    if url is not None:
        from maskloom.services.cli.queueing import start_there

        _nothing_detached(detach=detach)
        with connected(url) as client:
            start_there(
                client,
                recipe,
                dataset,
                changes,
                seed=seed or 0,
                workers=workers,
                priority=queue or Priority.NORMAL,
                as_json=as_json,
            )
        return

    from maskloom.pipelines import drive, recipes
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli import driving

    _detached_or_queued(detach=detach, queue=queue)
    chosen = recipes.with_settings(recipes.named(recipe), changes)
    with open_platform() as platform:
        one, is_new = drive.create(platform, chosen, dataset, seed or 0)
        driving.go_on(
            platform, one, is_new=is_new, workers=workers, detach=detach, queue=queue, as_json=as_json
        )


def resume(
    run: RunId,
    *,
    workers: Workers = 1,
    detach: Detach = False,
    queue: Queue = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was paused, interrupted or cancelled, or that failed."""
    url = server()
    if url is not None:
        from maskloom.services.cli.queueing import resume_there
        from maskloom.services.cli.there import There

        _nothing_detached(detach=detach)
        with connected(url) as client:
            resume_there(
                client,
                There(client).find(run),
                workers=workers,
                priority=queue or Priority.NORMAL,
                as_json=as_json,
            )
        return

    from maskloom.pipelines import drive
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli import driving

    _detached_or_queued(detach=detach, queue=queue)
    with open_platform() as platform:
        one = drive.find(platform, run)
        driving.go_on(
            platform, one, is_new=False, workers=workers, detach=detach, queue=queue, as_json=as_json
        )


def _nothing_detached(*, detach: bool) -> None:
    if detach:
        raise SettingsError(
            "--detach drives a run on this machine, and --server leaves it to the server: choose one"
        )


def _detached_or_queued(*, detach: bool, queue: Priority | None) -> None:
    if detach and queue is not None:
        raise SettingsError(
            "--detach drives the run in the background, --queue leaves it to a scheduler: choose one"
        )


def _nothing_against_a_matrix(
    *, seed: int | None, detach: bool, side_by_side: int | None, queued: bool
) -> None:
    if seed is not None:
        raise SettingsError(
            "--seed is one, and --matrix is about many: choose one",
            hint=f"Make it an axis: --matrix seed={seed},...",
        )
    if detach:
        raise SettingsError(
            "--detach drives one run in the background, and --matrix shows many: choose one",
            hint="Leave them to `maskloom serve` with --queue normal: it goes on without this command.",
        )
    if queued and side_by_side is not None:
        raise SettingsError(
            "--side-by-side is about runs that are driven here, and these are left to `maskloom serve`",
            hint="There `maskloom serve --runs N` says how many go on at a time.",
        )
