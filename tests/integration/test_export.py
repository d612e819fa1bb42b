"""Exports, read back by the programs they are for."""

from __future__ import annotations

import csv
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from maskloom.pipelines.export import export_coco, export_png
from maskloom.pipelines.history import labels_of_run
from maskloom.platform.errors import OutputUnwritable
from maskloom.platform.facts import LabelKind
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.imaging.masks import binary
from support.disks import run_on_disk
from support.painted import Grey, Painted, painted_run
from support.servers import PostgresServer


@pytest.fixture(scope="module")
def painted(postgres_server: PostgresServer) -> Iterator[Painted]:
    with painted_run(postgres_server) as made:
        yield made


def expected_masks(painted: Painted) -> dict[str, Grey]:
    """The binary mask of every slice of the run, by slice digest."""
    records = labels_of_run(painted.platform, painted.run)
    blobs = painted.platform.objects.get_many([record.mask for record in records])
    return {record.slice: binary(decode_grey8(blob)) for record, blob in zip(records, blobs, strict=True)}


def test_png_has_every_image_as_ingested_and_every_mask_at_its_size(painted: Painted, tmp_path: Path) -> None:
    out = tmp_path / "exported"

    summary = export_png(painted.platform, painted.run, out)

    masks = expected_masks(painted)
    with (out / "provenance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["slice"] for row in rows} == set(masks)
    for row in rows:
        image = (out / row["image_file"]).read_bytes()
        mask = cv2.imread(str(out / row["mask_file"]), cv2.IMREAD_UNCHANGED)
        assert sha256(image) == row["slice"]
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask == masks[row["slice"]]).all()
        assert Path(row["image_file"]).stem == Path(row["mask_file"]).stem
    assert "masks/unlabelled/pool_3.png" in {row["mask_file"] for row in rows}
    assert "masks/labelled/_i_expert__3.png" in {row["mask_file"] for row in rows}
    written = {str(path.relative_to(out)) for path in out.rglob("*.png")}
    assert written == {row[column] for row in rows for column in ("image_file", "mask_file")}
    assert (summary.slices, summary.by_kind) == (17, {LabelKind.EXPERT: 5, LabelKind.PSEUDO: 12})
    assert summary.empty == sum(not mask.any() for mask in masks.values())
    assert 0 < summary.empty < 17


def test_the_table_tells_each_masks_story(painted: Painted, tmp_path: Path) -> None:
    export_png(painted.platform, painted.run, tmp_path / "exported")

    with (tmp_path / "exported" / "provenance.csv").open(newline="") as file:
        rows = {row["slice"]: row for row in csv.DictReader(file)}
    for record in labels_of_run(painted.platform, painted.run):
        row = rows[record.slice]
        assert (row["volume"], row["position"]) == (record.volume, str(record.position))
        assert (row["kind"], row["stage"], row["label"]) == (record.kind, record.stage, record.label)
        assert row["checkpoint"] == (record.checkpoint or "")
        assert row["uncertainty"] == ("" if record.uncertainty is None else str(record.uncertainty))


def test_the_network_and_what_the_folder_is_come_along(painted: Painted, tmp_path: Path) -> None:
    summary = export_png(painted.platform, painted.run, tmp_path / "exported")

    told = json.loads((tmp_path / "exported" / "dataset.json").read_text())
    network = (tmp_path / "exported" / "network.safetensors").read_bytes()
    assert told["checkpoint"] == {"file": "network.safetensors", "sha256": sha256(network)}
    assert summary.network == sha256(network)
    assert (told["run"], told["seed"], told["status"], told["rounds"]) == (painted.run.id, 1, "finished", 3)
    assert told["recipe"] == painted.run.recipe
    assert told["counts"] == {
        "slices": 17,
        "empty_masks": summary.empty,
        "without_mask": 0,
        "expert": 5,
        "pseudo": 12,
    }
    assert told["evaluations"][0]["estimates"]["dice"]["value"] > 0.5


# pycocotools 2.0.11 was built for an older numpy.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_gives_every_mask_back_pixel_by_pixel(painted: Painted, tmp_path: Path) -> None:
    out = tmp_path / "coco"
    export_coco(painted.platform, painted.run, out)
    coco = COCO(out / "instances.json")

    masks = expected_masks(painted)
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["infection"]
    assert len(coco.imgs) == 17
    lesions = 0
    for image in coco.imgs.values():
        digest = sha256((out / "images" / image["file_name"]).read_bytes())
        together = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in coco.imgToAnns[image["id"]]:
            lesion = coco.annToMask(annotation)
            assert not (together & lesion).any()
            assert annotation["area"] == lesion.sum()
            columns, rows = np.nonzero(lesion.any(axis=0))[0], np.nonzero(lesion.any(axis=1))[0]
            assert annotation["bbox"] == [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert cv2.connectedComponents(lesion, connectivity=8)[0] == 2
            together |= lesion
            lesions += 1
        assert (together * 255 == masks[digest]).all()
        assert image["attributes"]["slice"] == digest
    per_mask = [cv2.connectedComponents(mask, connectivity=8)[0] - 1 for mask in masks.values()]
    assert lesions == sum(per_mask)
    assert max(per_mask) > 1
    assert (out / "network.safetensors").exists()


def test_coco_instances_carry_their_masks_story(painted: Painted, tmp_path: Path) -> None:
    export_coco(painted.platform, painted.run, tmp_path / "coco")
    coco = COCO(tmp_path / "coco" / "instances.json")

    records = {record.label: record for record in labels_of_run(painted.platform, painted.run)}
    for annotation in coco.anns.values():
        attributes = annotation["attributes"]
        record = records[attributes["label"]]
        assert (attributes["kind"], attributes["stage"]) == (record.kind, record.stage)
        assert (attributes["checkpoint"], attributes["seed"]) == (record.checkpoint, record.seed)
        assert attributes["uncertainty"] == record.uncertainty


def test_exporting_again_replaces_and_gives_the_same(painted: Painted, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    first = export_png(painted.platform, painted.run, out)
    before = contents(out)
    next((out / "masks" / "labelled").iterdir()).unlink()

    second = export_png(painted.platform, painted.run, out)

    assert (first.replaced, second.replaced) == (False, True)
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_not_ours_is_left_alone(painted: Painted, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")

    with pytest.raises(OutputUnwritable, match="not empty") as refused:
        export_png(painted.platform, painted.run, tmp_path / "thesis")

    assert "empty" in refused.value.hint
    assert contents(tmp_path) == {"thesis/chapter.txt": b"precious"}


def test_an_export_with_somebodys_file_in_it_is_left_alone(painted: Painted, tmp_path: Path) -> None:
    export_png(painted.platform, painted.run, tmp_path / "exported")
    (tmp_path / "exported" / "my_results.csv").write_text("precious")

    with pytest.raises(OutputUnwritable, match=r"since: my_results\.csv"):
        export_png(painted.platform, painted.run, tmp_path / "exported")

    assert (tmp_path / "exported" / "my_results.csv").read_text() == "precious"


def test_an_export_that_somebody_corrected_is_left_alone(painted: Painted, tmp_path: Path) -> None:
    export_png(painted.platform, painted.run, tmp_path / "exported")
    first, second = sorted((tmp_path / "exported" / "masks").rglob("*.png"))[:2]
    first.write_bytes(b"a better mask")
    second.write_bytes(b"another")

    with pytest.raises(OutputUnwritable, match=rf"since: .*{first.name} and 1 more"):
        export_png(painted.platform, painted.run, tmp_path / "exported")

    assert first.read_bytes() == b"a better mask"


def test_another_runs_export_is_left_alone(painted: Painted, tmp_path: Path) -> None:
    export_png(painted.platform, painted.run, tmp_path / "exported")
    manifest = tmp_path / "exported" / "dataset.json"
    manifest.write_text(manifest.read_text().replace(painted.run.id, "another0run0"))

    with pytest.raises(OutputUnwritable, match="not an earlier export of run"):
        export_png(painted.platform, painted.run, tmp_path / "exported")


def test_a_file_in_place_of_the_folder_is_refused(painted: Painted, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    os.mkfifo(tmp_path / "pipe")  # or a device, such as /dev/null

    for taken in ("out", "pipe"):
        with pytest.raises(OutputUnwritable, match="is no folder"):
            export_coco(painted.platform, painted.run, tmp_path / taken)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(OutputUnwritable, match="cannot write"):
        export_coco(painted.platform, painted.run, tmp_path / "out" / "below")


def test_a_failed_export_leaves_nothing(painted: Painted, tmp_path: Path) -> None:
    lost = labels_of_run(painted.platform, painted.run)[-1].mask
    blob = painted.platform.objects.get(lost)
    painted.platform.objects.delete(lost)
    try:
        with pytest.raises(Exception, match=lost[:12]):
            export_png(painted.platform, painted.run, tmp_path / "exported")
    finally:
        painted.platform.objects.put(blob)

    assert list(tmp_path.iterdir()) == []


FILL_THE_DISK = """
import sys
from pathlib import Path
from maskloom.pipelines.out_folder import exported_folder
from maskloom.platform.errors import OutputUnwritable

home = Path(sys.argv[1])
try:
    with exported_folder(home / "out", "run") as (folder, _):
        for number in range(100):
            (folder / str(number)).write_bytes(bytes(2**20))
except OutputUnwritable as error:
    print(error.message, error.hint, sorted(home.iterdir()), sep="|")
"""


def test_a_full_disk_is_said_and_cleared(tmp_path: Path) -> None:
    message, hint, left = run_on_disk(tmp_path, FILL_THE_DISK, megabytes=8).strip().split("|")

    assert "No space left" in message
    assert "free some space" in hint
    assert left == "[]"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    message, hint, left = run_on_disk(tmp_path, FILL_THE_DISK, read_only=True).strip().split("|")

    assert "Read-only" in message
    assert "Let this user write there" in hint
    assert left == "[]"


DIE_WHILE_EXPORTING = """
import os, signal, sys
from pathlib import Path
from maskloom.pipelines.out_folder import exported_folder

with exported_folder(Path(sys.argv[1]), "run") as (folder, _):
    (folder / "images").mkdir()
    (folder / "images" / "half").write_bytes(b"written")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_export_left_is_cleared_by_the_next(painted: Painted, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    done = subprocess.run([sys.executable, "-c", DIE_WHILE_EXPORTING, out], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    assert len(list(tmp_path.iterdir())) == 1

    export_png(painted.platform, painted.run, out)

    assert [path.name for path in tmp_path.iterdir()] == ["exported"]
    assert not (out / "images" / "half").exists()


def test_two_exports_to_one_place_do_not_mix(painted: Painted, tmp_path: Path) -> None:
    wait = DIE_WHILE_EXPORTING.replace("os.kill(os.getpid(), signal.SIGKILL)", "print(flush=True), input()")
    other = subprocess.Popen(
        [sys.executable, "-c", wait, tmp_path / "exported"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin
    assert other.stdout
    other.stdout.readline()

    with pytest.raises(OutputUnwritable, match="another process is exporting"):
        export_png(painted.platform, painted.run, tmp_path / "exported")

    other.communicate(b"\n")
    assert contents(tmp_path) == {"exported/images/half": b"written"}
