"""`maskloom demo --review --simulate-readers 2`: the whole job without readers and with them, on a real Label Studio."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from support.commands import Said, Shell
from support.label_studio import install_in
from support.servers import remove_home, short_folder

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    home = short_folder()
    install_in(home)
    shell = Shell(home=home, patience_s=3000)
    yield shell
    shell("review", "down")
    remove_home(home)


@pytest.fixture(scope="module")
def demo(shell: Shell) -> Said:
    said = shell("demo", "--review", "--simulate-readers", "2")
    assert said.code == 0, said.err
    return said


def test_every_round_was_read_twice(shell: Shell, demo: Said) -> None:
    newest = shell("runs", "--json").json[0]
    assert newest["status"] == "finished"
    found = shell("review", "status", newest["run"], "--json").json
    assert [one["closed"] for one in found["rounds"]] == ["everything is read"] * 3
    assert [one["slices"] for one in found["rounds"]] == [20] * 3
    assert found["set_aside"] == []
    for reader in found["readers"]:
        assert (reader["given"], reader["left"]) == (66, 0)
        assert reader["gold"]["dice"] > 0.7
    (pair,) = found["pairs"]
    assert pair["readers"] == ["reader-1", "reader-2"]
    assert 0.5 < pair["agreement"]["dice"] < 1, "they are imperfect, each in another way"


def test_it_says_what_the_minutes_were_good_for(shell: Shell, demo: Said) -> None:
    gain = re.search(r"masks of the pool +(0\.\d+) +(0\.\d+) +([+-]0\.\d+) +([+-]0\.\d+)", demo.out)
    assert gain is not None, demo.out
    assert float(gain[2]) > float(gain[1]), "readers' masks are nearer to the truth than the network's"
    (report,) = (shell.home / "demo").glob("report-*.html")
    assert report.as_uri() in demo.out
    assert "Corrected masks" in report.read_text()
