"""`maskloom run` and `resume`: drive a run, here or in the background, or leave it to `maskloom serve`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from maskloom.platform.errors import SettingsError
from maskloom.platform.run_facts import Priority
from maskloom.services.cli.options import AsJson, Dataset, Detach, Queue, RunId, Workers
from maskloom.services.cli.place import connected, server


class Review(StrEnum):
    """The modes of a review, as `parameters.ReviewParameters` has them."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="What to do: see `maskloom recipes`.")],
    *,
    dataset: Dataset,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Another seed is another run.")] = 0,
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
    """Run a recipe on a data set.

    The same recipe, data and seed are the same run: what it did before is not done again. With --server it is queued there.
    """
    mode = [f"review.mode={review}"] if review else []
    changes = mode + (settings or [])
    url = server()
    if url is not None:
        from maskloom.services.cli.queueing import start_there

        _nothing_detached(detach=detach)
        with connected(url) as client:
            start_there(
                client,
                recipe,
                dataset,
                changes,
                seed=seed,
                workers=workers,
                priority=queue or Priority.NORMAL,
                as_json=as_json,
            )
        return

    from maskloom.pipelines import drive, recipes
    from maskloom.platform.bootstrap import open_platform
    from maskloom.services.cli import driving

    chosen = recipes.with_settings(recipes.named(recipe), changes)
    with open_platform() as platform:
        one, is_new = drive.create(platform, chosen, dataset, seed)
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
