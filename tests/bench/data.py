"""Slices to measure on: the real ones where they lie beside the checkout, synthetic ones elsewhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskloom.pipelines.steps.ingest import Intake, ingest
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.facts import Split
from maskloom.platform.objects.sources import open_source
from maskloom.platform.settings import Settings

REAL = Path(os.environ.get("COVID_SEMISEG", Path(__file__).parents[3] / "shared/data/covid-semiseg"))


@contextmanager
def bench_platform() -> Iterator[Platform]:
    """A platform with everything embedded, in a folder of its own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="maskloom-bench-") as folder:
        Path(folder).chmod(0o755)
        with open_platform(Settings(home=Path(folder))) as platform:
            yield platform


def real_slices(platform: Platform, dataset: str, limit: int | None = None) -> None:
    """Ingest the labelled and (up to `limit`) the unlabelled slices of COVID-SemiSeg."""
    experts, pool = real_intakes(dataset, limit)
    ingest(platform, experts, lambda done, total: None)
    ingest(platform, pool, lambda done, total: None)


def real_intakes(dataset: str, limit: int | None = None) -> tuple[Intake, Intake]:
    """The labelled slices of COVID-SemiSeg, and (up to `limit`) the unlabelled ones."""
    if not REAL.is_dir():
        raise SystemExit(f"{REAL} is not there: set COVID_SEMISEG to a folder with labelled/ and unlabelled/")
    labelled, unlabelled = REAL / "labelled", open_source(str(REAL / "unlabelled/images"))
    masks = open_source(str(labelled / "masks"))
    experts = Intake(
        images=open_source(str(labelled / "images")), masks=masks, dataset=dataset, split=Split.LABELLED
    )
    if limit is not None:
        unlabelled = _First(unlabelled, limit)
    return experts, Intake(images=unlabelled, masks=None, dataset=dataset, split=Split.UNLABELLED)


class _First:
    """The first `limit` files of a source."""

    def __init__(self, source: object, limit: int) -> None:
        self._source, self._limit = source, limit

    def names(self) -> list[str]:
        return self._source.names()[: self._limit]  # type: ignore[attr-defined]

    def read(self, name: str) -> bytes:
        return self._source.read(name)  # type: ignore[attr-defined]
