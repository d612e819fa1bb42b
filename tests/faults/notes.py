"""What a campaign has done so far: a line of JSON for each group of trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from support.trials import Trial


def read(path: Path) -> dict[str, list[Trial]]:
    """Groups of trials by name; none when nobody has noted any."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["group"]: [_trial(trial) for trial in line["trials"]] for line in lines}


def add(path: Path, group: str, trials: Sequence[Trial]) -> None:
    """Note a group that is done."""
    with path.open("a") as file:
        file.write(json.dumps({"group": group, "trials": [asdict(trial) for trial in trials]}) + "\n")


def _trial(values: dict[str, object]) -> Trial:
    return Trial(**values | {"problems": tuple(values["problems"])})  # type: ignore[arg-type]
