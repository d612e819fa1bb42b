"""`maskloom doctor`: is everything here that maskloom needs, and if not, what to do."""

from __future__ import annotations

import typer

from maskloom.services.cli.options import AsJson

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(as_json: AsJson = False) -> None:
    """Check that all is here that maskloom needs, and say what to do.

    Exits 1 if something fails.
    """
    from maskloom.platform.settings import Settings
    from maskloom.services.cli.checks import Finding, examine
    from maskloom.services.cli.output import people, print_json

    console = people(as_json=as_json)
    findings: list[Finding] = []
    with console.status("looking") if console.is_terminal else console:
        for finding in examine(Settings()):
            findings.append(finding)
            if not as_json:
                style = _STYLES[finding.state]
                console.print(f"[{style}]{finding.state:4}[/]  [bold]{finding.what:13}[/]", end=" ")
                console.print(finding.found, markup=False)
                if finding.advice:
                    console.print(f"{'':19} {finding.advice}", style=style, markup=False)
    if as_json:
        print_json(findings)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)
