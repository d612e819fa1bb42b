"""Masks for images of no data set, by a real network."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskloom.models.infnet import build
from maskloom.pipelines import recipes
from maskloom.pipelines.predict import Prediction, predict
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.stopping import Stop, Stopped
from maskloom.pipelines.workers.place import HeldNetwork
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog.database import Database
from maskloom.platform.cluster import Cluster
from maskloom.platform.errors import OutputUnwritable
from maskloom.platform.facts import DatasetVersion
from maskloom.platform.objects.sources import FolderSource, Source
from maskloom.platform.objects.store import open_store
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from support.images import grey_slice, saved

RECIPE = recipes.with_settings(
    recipes.named("supervised"),
    [
        "prediction.size=64",
        "prediction.batch_size=4",
        "prediction.engine=torch",
        "prediction.precision=fp32",
        "network.weights=random",
    ],
)
NOTHING = DatasetVersion(digest="0" * 64, dataset="none", parent=None, size=0)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Objects alone: a prediction asks nothing of the catalog, and this one would refuse to answer."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    database = Database(lambda: "postgresql://127.0.0.1:1/none", patience_s=0.0)
    yield Platform(
        settings=settings, database=database, objects=open_store(settings.objects), cluster=Cluster(None)
    )
    database.close()


@pytest.fixture(scope="module")
def model(platform: Platform) -> Trained:
    network = build(RECIPE.network, seed=3)
    digest = platform.objects.put(HeldNetwork(RECIPE.network, network).file(network.state_dict()))
    return Trained(digest=digest, size_bytes=0, steps=0, slices=0, curve=(), images_per_s=0.0, compute_s=0.0)


def drawn(
    platform: Platform, model: Trained, images: Source, out: Path, stop: Stop | None = None
) -> list[Prediction]:
    run = Run(
        id="0" * 12,
        recipe=recipes.RECIPE.dump_python(RECIPE, mode="json"),
        dataset="none",
        seed=0,
        labelled=NOTHING,
        pool=NOTHING,
        created_at=datetime.now(UTC),
    )
    seen: list[tuple[int, int]] = []
    found = predict(
        platform,
        run,
        model,
        images,
        out,
        on_progress=lambda done, total: seen.append((done, total)),
        stop=stop or Stop(),
    )
    assert seen[-1] == (len(found), len(found))
    return found


def grey(path: Path) -> np.ndarray:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def test_each_image_gets_a_soft_and_a_hard_mask_of_its_size(
    platform: Platform, model: Trained, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    (images / "ward").mkdir(parents=True)
    for number in range(6):
        (images / "ward" / f"{number}.png").write_bytes(saved(grey_slice(40 + number, 50), "PNG"))
    found = drawn(platform, model, FolderSource(images), tmp_path / "out")
    assert [one.image for one in found] == [f"ward/{number}.png" for number in range(6)]
    for number, one in enumerate(found):
        mask, soft = grey(tmp_path / "out" / str(one.mask)), grey(tmp_path / "out" / str(one.soft))
        assert mask.shape == soft.shape == (40 + number, 50)
        assert np.array_equal(mask, np.where(soft >= 128, 255, 0))
        assert one.area == (mask > 0).mean()
    with (tmp_path / "out" / "predictions.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [row["image"] for row in rows] == [one.image for one in found]
    assert {row["problem"] for row in rows} == {""}


def test_bad_images_are_set_aside_with_a_reason(platform: Platform, model: Trained, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "good.png").write_bytes(saved(grey_slice(), "PNG"))
    (images / "cut.png").write_bytes(saved(grey_slice(), "PNG")[:200])
    (images / "empty.jpg").touch()
    (images / "colour.png").write_bytes(saved(np.zeros((8, 8, 3), np.uint8), "PNG"))
    (images / ".hidden").touch()
    found = {one.image: one for one in drawn(platform, model, FolderSource(images), tmp_path / "out")}
    assert set(found) == {"good.png", "cut.png", "empty.jpg", "colour.png"}
    assert {name for name, one in found.items() if one.problem is None} == {"good.png"}
    assert "empty" in str(found["empty.jpg"].problem)
    assert [path.name for path in (tmp_path / "out" / "masks").iterdir()] == ["good.png"]


def test_images_of_one_name_get_masks_of_two(platform: Platform, model: Trained, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(saved(grey_slice(), "PNG"))
    (images / "a.jpg").write_bytes(saved(grey_slice(), "JPEG"))
    found = drawn(platform, model, FolderSource(images), tmp_path / "out")
    assert [one.mask for one in found] == ["masks/a.jpg.png", "masks/a.png.png"]


class Stray:
    """A bucket whose keys would lead out of any folder."""

    def names(self) -> list[str]:
        return ["../escaped.png", "/tmp/escaped.png"]

    def read(self, name: str) -> bytes:
        return saved(grey_slice(), "PNG")


def test_no_name_leads_out_of_the_folder(platform: Platform, model: Trained, tmp_path: Path) -> None:
    found = drawn(platform, model, Stray(), tmp_path / "out" / "deeper")
    assert all(one.problem for one in found)
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["predictions.csv"]


def test_an_out_folder_that_cannot_be_written_is_named(
    platform: Platform, model: Trained, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(saved(grey_slice(), "PNG"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputUnwritable, match="file/out"):
        drawn(platform, model, FolderSource(images), tmp_path / "file" / "out")


def test_a_stop_is_obeyed(platform: Platform, model: Trained, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(saved(grey_slice(), "PNG"))
    stop = Stop()
    stop.request("interrupted")
    with pytest.raises(Stopped):
        drawn(platform, model, FolderSource(images), tmp_path / "out", stop)
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_masks_that_an_expert_drew_are_not_written_over(
    platform: Platform, model: Trained, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(saved(grey_slice(), "PNG"))
    (tmp_path / "masks" / "a.png").write_bytes(b"drawn by hand")
    with pytest.raises(OutputUnwritable, match="not from an earlier"):
        drawn(platform, model, FolderSource(tmp_path / "images"), tmp_path)
    assert (tmp_path / "masks" / "a.png").read_bytes() == b"drawn by hand"
    for _again in range(2):
        drawn(platform, model, FolderSource(tmp_path / "images"), tmp_path / "out")
