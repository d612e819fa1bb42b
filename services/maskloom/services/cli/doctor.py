"""`maskloom doctor`: is everything here that maskloom needs, and if not, what to do."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import typer

from maskloom.services.cli.options import AsJson

if TYPE_CHECKING:
    from rich.console import Console

    from maskloom.services.cli.checks import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(as_json: AsJson = False) -> None:
    """Check that all is here that maskloom needs, and say what to do.

    Exits 1 if something fails.
    """
    from maskloom.platform.settings import Settings
    from maskloom.services.cli.checks import examine
    from maskloom.services.cli.output import people, print_json

    console = people(as_json=as_json)
    findings: list[Finding] = []
    with console.status("looking") if console.is_terminal else nullcontext():
        for finding in examine(Settings()):
            findings.append(finding)
            if not as_json:
                _tell(console, finding)
    if as_json:
        print_json(findings)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)


def _tell(console: Console, finding: Finding) -> None:
    from rich.text import Text

    style = _STYLES[finding.state]
    console.print(
        Text.assemble((f"{finding.state:4}", style), "  ", (f"{finding.what:13}", "bold"), " ", finding.found)
    )
    if finding.advice:
        console.print(f"{'':19} {finding.advice}", style=style)
