"""The command `maskloom`: which commands there are, and how errors are told.

Each command is a function in a module of this folder, which imports the rest of maskloom only when it runs.
"""

from __future__ import annotations

import errno
import functools
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer

from maskloom.platform.errors import MaskloomError, SettingsError, disk_hint
from maskloom.services.cli import (
    audit,
    demo,
    doctor,
    ingest,
    login,
    migrate,
    models,
    recipes,
    results,
    review,
    run,
    runs,
    serve,
    show,
)
from maskloom.services.cli.place import choose, here_alone

EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130  # as shells count it: 128 and the number of SIGINT

app = typer.Typer(
    name="maskloom",
    help="Label CT with few experts: from a few expert masks and a large unlabelled pool to a fully labelled "
    "data set and a trained network.",
    epilog="State lives under MASKLOOM_HOME (~/.maskloom). `maskloom COMMAND --help` tells more.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start here": (demo.demo, doctor.doctor),
    "Data and runs": (
        ingest.ingest,
        recipes.recipes,
        run.run,
        run.resume,
        runs.runs,
        show.show,
        runs.watch,
        runs.pause,
        runs.cancel,
    ),
    "Service": (serve.serve, migrate.migrate, login.login),
    "Results": (results.evaluate, results.predict, results.export, results.report),
}


def _told_when_interrupted(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def told(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:  # of which Typer would say nothing
            _tell("interrupted", "What was committed is kept: the same command goes on from there.")
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return told


_THROUGH_A_SERVER = {
    ingest.ingest,
    results.export,
    review.status,
    models.register,
    models.promote,
    models.rollback,
    models.archive,
    recipes.recipes,
    run.run,
    run.resume,
    runs.runs,
    show.show,
    runs.watch,
    runs.pause,
    runs.cancel,
    login.login,
    audit.verify,
    audit.export,
}


def _add(
    group: typer.Typer, command: Callable[..., None], *, within: str = "", panel: str | None = None
) -> None:
    name = f"{within} {command.__name__}".strip()
    known = command if command in _THROUGH_A_SERVER else here_alone(command, name)
    group.command(rich_help_panel=panel)(_told_when_interrupted(known))


for _panel, _commands in _PANELS.items():
    for _command in _commands:
        _add(app, _command, panel=_panel)

_reviews = typer.Typer(help="Let readers look at masks and correct them.", no_args_is_help=True)
for _command in (review.up, review.down, review.push, review.pull, review.status, review.close):
    _add(_reviews, _command, within="review")
app.add_typer(_reviews, name="review", rich_help_panel="Review")

_models = typer.Typer(invoke_without_command=True)
_models.callback()(_told_when_interrupted(models.models))
for _command in (models.register, models.promote, models.rollback, models.archive):
    _add(_models, _command, within="models")
app.add_typer(_models, name="models", rich_help_panel="Results")

_audit = typer.Typer(
    help="Look whether the record of who did what holds, and take it out.", no_args_is_help=True
)
for _command in (audit.verify, audit.export):
    _add(_audit, _command, within="audit")
app.add_typer(_audit, name="audit", rich_help_panel="Service")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"maskloom {version('maskloom')}")
        raise typer.Exit


@app.callback()
def _options(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="MASKLOOM_SERVER",
            help="Ask the maskloom that serves there, and not this machine's own (see `maskloom login`).",
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    choose(server)


def main() -> None:
    """The console script. Exits with the error's own code, or 70 for an error that nobody foresaw."""
    # Whoever ends maskloom politely lets it end its PostgreSQL too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except MaskloomError as error:
        _tell(error.message, error.hint)
        sys.exit(error.exit_code)
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":
            _tell_bug(error)
        _tell(f"{error.object!r} is not UTF-8", "Write names of data sets, runs and values in UTF-8.")
        sys.exit(SettingsError.exit_code)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            _tell_bug(error)
        _tell(f"cannot write: {error}", disk_hint(error, "write to another disk"))
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - whatever else happens must end in words as well
        _tell_bug(error)


def _tell_bug(error: Exception) -> NoReturn:
    _tell(f"something went wrong that should not: {type(error).__name__}: {error}", _keep_traceback())
    sys.exit(EXIT_BUG)


def _tell(message: str, hint: str) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"maskloom: {message}", style="bold red", markup=False)
    if hint:
        console.print(hint, markup=False)


def _keep_traceback() -> str:
    """Write the traceback to a log; returns where it is, or the traceback itself when that cannot be."""
    from maskloom.platform.settings import Settings

    now = datetime.now().astimezone()
    try:
        folder = Settings().home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"error-{now:%Y%m%d-%H%M%S-%f}.log"
        path.write_text(f"{now.isoformat()} maskloom {version('maskloom')}\n{traceback.format_exc()}")
    except OSError:
        return traceback.format_exc()
    return f"What happened in detail is in {path}: please report it. Nothing that was committed is lost."


if __name__ == "__main__":
    main()
