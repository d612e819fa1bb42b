"""Odd names of slices in an export: none leaves the folder, and none meets another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maskloom.pipelines.export.run_folder import file_names
from maskloom.pipelines.history import labels_of_run
from support.painted import Painted, painted_run
from support.servers import PostgresServer


@pytest.fixture(scope="module")
def painted(postgres_server: PostgresServer) -> Iterator[Painted]:
    with painted_run(postgres_server) as made:
        yield made


STRANGE_NAMES = ["../../etc/passwd.png", "/etc/passwd.png", "..", "a/../../b.png", "", "/"]
STRANGE_NAMES += ["x\x00y.png", "nul\n.png", "é/ü.png", "ab" * 300 + ".png", "a:b*c?.png"]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_no_name_leaves_the_folder(painted: Painted, tmp_path: Path, name: str) -> None:
    record = replace(labels_of_run(painted.platform, painted.run)[0], name=name)

    path = file_names([record])[record.slice]

    assert not path.is_absolute()
    assert not {"..", "."} & set(path.parts)
    assert path.parts[0] == record.split
    whole = tmp_path / path.with_name(path.name + ".jpeg")
    whole.parent.mkdir(parents=True)
    whole.write_bytes(b"")


def test_names_that_would_meet_stay_apart(painted: Painted) -> None:
    names = ["1.png", "1.jpg", "A.png", "a.png", "b c.png", "b_c.png", "d.png/2.png", "d.png", "e.png"]
    record = labels_of_run(painted.platform, painted.run)[0]
    records = [replace(record, name=name, slice=f"{number:064d}"[::-1]) for number, name in enumerate(names)]

    paths = [str(path) for path in file_names(records).values()]

    assert len({path.casefold() for path in paths}) == len(names)
    assert paths[-1] == "labelled/e"
    assert "labelled/d.png_/2" in paths
