"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from maskloom.platform.run_facts import Priority


def not_empty(given: str) -> str:
    """The parser of what may not be empty: an empty path would be the folder one is in, and every run's id begins with ''."""
    if not given.strip():
        raise typer.BadParameter("it is empty: a script's variable that is not set, perhaps")
    return given


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", parser=not_empty, help="A run's id, or its first digits (`maskloom runs`)."
    ),
]
Dataset = Annotated[str, typer.Option("--dataset", "-d", help="The data set's name.")]
Workers = Annotated[
    int,
    typer.Option(min=1, help="Trainers that work together, and as many labellers. Usually one for each GPU."),
]
Queue = Annotated[
    Priority | None,
    typer.Option(help="Leave it to `maskloom serve`, with this priority among your runs."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Go on in the background; follow it with `watch`.")]


def written_to(what: str) -> Any:
    """The option that names the file or folder to write, with `what` as its help."""
    return typer.Option(help=what, parser=_path, metavar="PATH")


def _path(given: str | Path) -> Path:
    return Path(not_empty(str(given)))
