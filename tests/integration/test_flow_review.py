"""The steps of a review, and the taking in of answers, killed at every point: in the end all is there, once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maskloom.pipelines import drive
from maskloom.pipelines.parameters import ReviewParameters
from maskloom.pipelines.recipes import SemiInfNet
from maskloom.platform import failpoints
from maskloom.platform.run_facts import Run
from support import tiny_flow
from support.remains import facts, loose_ends
from support.tiny_setting import Setting, ended, prepared

POINTS = [point for point in failpoints.POINTS if point != "progress_saved"]


@pytest.fixture
def setting(maskloom_home: Path, catalog_url: str) -> Iterator[Setting]:
    with prepared(maskloom_home, catalog_url) as made:
        yield made


def reviewed(setting: Setting, seed: int) -> Run:
    recipe = tiny_flow.tiny_recipe()
    assert isinstance(recipe, SemiInfNet)
    review = ReviewParameters(mode="optional", readers=("anna", "ben"), gold=2, readings=2)
    return drive.create(setting.platform, replace(recipe, review=review), "phantom", seed=seed)[0]


@pytest.mark.parametrize("kind", ["draw_gold", "open_review", "collect"])
def test_a_review_that_is_killed_at_every_point_is_the_same_review(kind: str, setting: Setting) -> None:
    run = reviewed(setting, seed=1)
    for point in POINTS:
        code, _, err = ended(setting.start(run, MASKLOOM_FAILPOINT=f"{point}:{kind}"))
        assert code == -signal.SIGKILL, f"did not reach {point}: {err}"
    setting.finish(run)
    killed = facts(setting.platform)
    assert loose_ends(setting.platform) == []
    assert len(killed["reviews"]) == 3
    assert len(killed["review_assignments"]) == 12 * 2 + 3 * 2 * 2
    before = setting.finish(run)
    assert facts(setting.platform) == killed
    assert "started" not in before
