from __future__ import annotations

import io
import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskloom.pipelines.steps.ingest import IngestReport, Intake, ingest
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import labels, slices
from maskloom.platform.errors import SettingsError
from maskloom.platform.facts import Split
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.objects.bucket import Bucket
from maskloom.platform.objects.sources import open_source
from maskloom.platform.settings import Settings


@pytest.fixture
def platform(maskloom_home: Path) -> Iterator[Platform]:
    with open_platform(Settings(home=maskloom_home)) as opened:
        yield opened


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> np.ndarray:
    """Smooth random grey values, so that different seeds look different."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 5), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def lesion(size: tuple[int, int] = (48, 40), rows: int = 12) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[:rows] = 255
    return mask


def take(platform: Platform, images: Path | str, split: Split, masks: Path | None = None) -> IngestReport:
    return ingest(
        platform,
        Intake(
            images=open_source(str(images)),
            masks=open_source(str(masks)) if masks else None,
            dataset="lungs",
            split=split,
        ),
        lambda done, total: None,
    )


def reasons(report: IngestReport) -> dict[str, str]:
    return {record.source: record.reason for record in report.set_aside}


def stored(platform: Platform, split: Split | None = None) -> list[str]:
    return [
        item.name for item in platform.database.transaction(lambda c: slices.of_dataset(c, "lungs", split))
    ]


def test_slices_know_their_volume_and_position_and_again_adds_nothing(
    platform: Platform, tmp_path: Path
) -> None:
    for number in range(3):
        save(tmp_path / f"patient1_{number}.png", picture(number))
    save(tmp_path / "siteB" / "scan2_007.jpg", picture(9))
    save(tmp_path / "deep_0.png", picture(20).astype(np.uint16) * 256)
    first = take(platform, tmp_path, Split.UNLABELLED)
    assert (first.added, first.known, first.clean) == (5, 0, True)
    again = take(platform, tmp_path, Split.UNLABELLED)
    assert (again.added, again.known, again.clean) == (0, 5, True)
    found = platform.database.transaction(lambda c: slices.of_dataset(c, "lungs"))
    assert [(item.volume, item.position, item.bits) for item in found] == [
        ("deep", 0, 16),
        ("patient1", 0, 8),
        ("patient1", 1, 8),
        ("patient1", 2, 8),
        ("siteB/scan2", 7, 8),
    ]
    assert {(item.width, item.height) for item in found} == {(40, 48)}


def test_masks_enter_with_their_slices_and_a_redrawn_one_is_a_new_label(
    platform: Platform, tmp_path: Path
) -> None:
    save(tmp_path / "images" / "a_1.png", picture(1))
    save(tmp_path / "masks" / "a_1.png", lesion())
    report = take(platform, tmp_path / "images", Split.LABELLED, tmp_path / "masks")
    assert (report.added, report.labels_added, report.clean) == (1, 1, True)
    save(tmp_path / "masks" / "a_1.png", lesion(rows=24))
    again = take(platform, tmp_path / "images", Split.LABELLED, tmp_path / "masks")
    assert (again.added, again.known, again.labels_added) == (0, 1, 1)
    (label,) = platform.database.transaction(
        lambda c: labels.expert_labels(c, "lungs", Split.LABELLED)
    ).values()
    assert label.scores["area"] == 0.5
    assert np.array_equal(decode_grey8(platform.objects.get(label.mask)), lesion(rows=24))


def test_what_is_bad_is_set_aside_with_a_reason_and_the_rest_goes_in(
    platform: Platform, tmp_path: Path
) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    good = save(images / "good.png", picture(1)).read_bytes()
    save(masks / "good.png", lesion())
    (images / "empty.png").write_bytes(b"")
    (images / "cut.png").write_bytes(good[: len(good) // 2])
    (images / "text.png").write_bytes(b"hello, I am a picture")
    save(images / "colour.png", np.dstack([picture(2), picture(3), picture(4)]))
    save(images / "small_mask.png", picture(5))
    save(masks / "small_mask.png", lesion((24, 20)))
    save(images / "odd_mask.png", picture(6))
    save(masks / "odd_mask.png", picture(7))
    save(images / "no_mask.png", picture(8))
    (images / "twin.png").write_bytes(good)
    save(masks / "twin.png", lesion())
    save(masks / "nobody.png", lesion())
    (images / "bomb.png").write_bytes(bomb())
    for name in ("empty", "cut", "text", "colour", "bomb"):
        save(masks / f"{name}.png", lesion())
    (images / os.fsdecode(b"caf\xe9.png")).write_bytes(b"latin-1")
    (images / ".DS_Store").write_bytes(b"finder")

    report = take(platform, images, Split.LABELLED, masks)

    assert stored(platform) == ["good.png"]
    assert report.added == 1
    said = reasons(report)
    assert set(said) == {
        "empty.png", "cut.png", "text.png", "colour.png", "small_mask.png", "odd_mask.png", "no_mask.png",
        "twin.png", "bomb.png", "masks/nobody.png", "caf\\udce9.png",
    }  # fmt: skip
    for source, words in {
        "empty.png": "empty",
        "colour.png": "colour",
        "small_mask.png": "20 x 24",
        "odd_mask.png": "values",
        "no_mask.png": "no mask no_mask.png",
        "twin.png": "same as that of good.png",
        "masks/nobody.png": "no slice",
    }.items():
        assert words in said[source], said[source]
    kept = {record.source: record.blob for record in report.set_aside}
    assert platform.objects.get(str(kept["text.png"])) == b"hello, I am a picture"


def bomb() -> bytes:
    """A PNG that claims 60000 x 60000 pixels."""
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    return bytes(data)


def test_a_slice_of_another_split_is_a_leak_and_a_lookalike_a_warning(
    platform: Platform, tmp_path: Path
) -> None:
    save(tmp_path / "test" / "t_1.png", picture(1))
    save(tmp_path / "masks" / "t_1.png", lesion())
    take(platform, tmp_path / "test", Split.TEST, tmp_path / "masks")
    save(tmp_path / "pool" / "same.png", picture(1))
    save(tmp_path / "pool" / "alike.png", np.clip(picture(1).astype(int) + 3, 0, 255).astype(np.uint8))
    save(tmp_path / "pool" / "other.png", picture(77))
    report = take(platform, tmp_path / "pool", Split.UNLABELLED)
    assert "leak" in reasons(report)["same.png"]
    assert stored(platform, Split.UNLABELLED) == ["alike.png", "other.png"]
    assert len(report.warnings) == 1
    assert "alike.png looks like t_1.png of the split test" in report.warnings[0]
    assert not report.clean


def test_masks_belong_to_labelled_and_test_slices_only(platform: Platform, tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(1))
    with pytest.raises(SettingsError, match="needs masks"):
        take(platform, tmp_path, Split.LABELLED)
    with pytest.raises(SettingsError, match="takes no masks"):
        take(platform, tmp_path, Split.UNLABELLED, tmp_path)


def test_from_a_bucket(platform: Platform, s3_url: str, tmp_path: Path) -> None:
    bucket = Bucket(s3_url)
    for number in range(3):
        bucket.create(f"ct/v_{number}.png", save(tmp_path / f"v_{number}.png", picture(number)).read_bytes())
    head, _, query = s3_url.partition("?")
    report = take(platform, f"{head}/ct?{query}", Split.UNLABELLED)
    assert (report.added, report.clean) == (3, True)
    assert stored(platform) == ["v_0.png", "v_1.png", "v_2.png"]


def test_two_thousand_damaged_files_neither_crash_nor_enter_by_halves(
    platform: Platform, tmp_path: Path
) -> None:
    generator = random.Random(7)
    originals = []
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 80})):
        buffer = io.BytesIO()
        Image.fromarray(picture(5)).save(buffer, kind, **options)
        originals.append((kind.lower(), buffer.getvalue()))
    mask = save(tmp_path / "mask.png", lesion()).read_bytes()
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    for number in range(2000):
        kind, original = originals[number % 2]
        damaged_mask = number % 4 == 3
        (images / f"v_{number}.{kind}").write_bytes(
            unique(original, kind, number) if damaged_mask else damage(original, generator)
        )
        (masks / f"v_{number}.png").write_bytes(damage(mask, generator) if damaged_mask else mask)

    report = take(platform, images, Split.LABELLED, masks)

    assert report.added + len(report.set_aside) == 2000
    assert len(report.set_aside) > 1000
    assert all(record.reason for record in report.set_aside)
    experts = platform.database.transaction(lambda c: labels.expert_labels(c, "lungs", Split.LABELLED))
    entered = platform.database.transaction(lambda c: slices.of_dataset(c, "lungs"))
    assert {item.digest for item in entered} == set(experts)
    for item in entered:
        assert decode_grey8(platform.objects.get(item.digest)).shape == (item.height, item.width)
        assert decode_grey8(platform.objects.get(experts[item.digest].mask)).shape == (
            item.height,
            item.width,
        )


def unique(original: bytes, kind: str, number: int) -> bytes:
    """The same picture as other bytes: a comment in the JPEG, a text chunk in the PNG."""
    note = f"{number:08d}".encode()
    if kind == "jpeg":
        return original[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + original[2:]
    body = b"tEXtn\0" + note
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return original[:33] + chunk + original[33:]


def damage(data: bytes, generator: random.Random) -> bytes:
    broken = bytearray(data)
    match generator.randrange(5):
        case 0:
            return bytes(broken[: generator.randrange(len(broken))])
        case 1:
            for _ in range(generator.randint(1, 8)):
                broken[generator.randrange(len(broken))] = generator.randrange(256)
        case 2:
            start = generator.randrange(len(broken))
            del broken[start : start + generator.randint(1, 64)]
        case 3:
            start = generator.randrange(len(broken))
            broken[start:start] = generator.randbytes(generator.randint(1, 64))
        case _:
            broken[: generator.randint(1, 40)] = generator.randbytes(generator.randint(1, 40))
    return bytes(broken)


def test_whoever_goes_back_to_an_earlier_mask_gets_it(platform: Platform, tmp_path: Path) -> None:
    save(tmp_path / "images/p_0.png", picture(0))
    in_force = []
    for rows in (12, 20, 12, 12):
        save(tmp_path / "masks/p_0.png", lesion(rows=rows))
        report = take(platform, tmp_path / "images", Split.LABELLED, tmp_path / "masks")
        (label,) = platform.database.transaction(
            lambda c: labels.expert_labels(c, "lungs", Split.LABELLED)
        ).values()
        in_force.append((report.labels_added, label.scores["area"]))
    assert in_force == [(1, 12 / 48), (1, 20 / 48), (1, 12 / 48), (0, 12 / 48)]


def test_a_mask_that_two_images_could_mean_is_neithers(platform: Platform, tmp_path: Path) -> None:
    save(tmp_path / "images/p_0.png", picture(0))
    save(tmp_path / "images/p_0.jpg", picture(1))
    save(tmp_path / "images/p_1.png", picture(2))
    for name in ("p_0.png", "p_1.png", "p_1.bmp"):
        save(tmp_path / "masks" / name, lesion())
    report = take(platform, tmp_path / "images", Split.LABELLED, tmp_path / "masks")
    assert stored(platform) == []
    assert "p_0.jpg and p_0.png would share the mask p_0.png" in reasons(report)["p_0.png"]
    assert "more than one mask, p_1.bmp and p_1.png" in reasons(report)["p_1.png"]


def test_broken_links_are_set_aside_and_what_programs_strew_about_is_not_looked_at(
    platform: Platform, tmp_path: Path
) -> None:
    save(tmp_path / "p_0.png", picture(0))
    save(tmp_path / ".ipynb_checkpoints/p_0-checkpoint.png", picture(0))
    (tmp_path / "p_1.png").symlink_to(tmp_path / "moved away.png")
    report = take(platform, tmp_path, Split.UNLABELLED)
    assert stored(platform) == ["p_0.png"]
    assert list(reasons(report)) == ["p_1.png"]
    assert "broken link" in reasons(report)["p_1.png"]


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "\x1b[31mred", "x" * 101])
def test_a_name_that_would_spoil_every_list_is_refused(name: str, platform: Platform, tmp_path: Path) -> None:
    intake = Intake(images=open_source(str(tmp_path)), masks=None, dataset=name, split=Split.UNLABELLED)
    with pytest.raises(SettingsError, match="cannot name a data set"):
        ingest(platform, intake, lambda done, total: None)
