"""The COVID-SemiSeg slices, for tests that say something about real CT. They may not travel with the code."""

from __future__ import annotations

from pathlib import Path

import pytest


def covid_semiseg() -> Path:
    """The folder with `labelled/` and `unlabelled/`; without it beside the checkout, the test skips."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "covid-semiseg"
    if not folder.is_dir():
        pytest.skip("the COVID-SemiSeg slices are not beside the checkout")
    return folder
