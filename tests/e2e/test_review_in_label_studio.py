"""A review as readers do it: in a browser, in a real Label Studio, and the next round learns from exactly that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

from maskloom.platform.catalog import labels
from maskloom.platform.imaging.formats import decode_grey8
from maskloom.platform.imaging.masks import binary
from maskloom.platform.run_facts import Run
from maskloom.platform.settings import Settings
from maskloom.services.bridge import keys
from maskloom.services.bridge.label_studio.tool import LabelStudio, open_label_studio
from maskloom.services.bridge.server.serving import serving
from maskloom.services.bridge.tool import Desk
from support.browser import chromium
from support.label_studio import LabelStudioReader, LabelStudioServer
from support.label_studio_page import LabelStudioPage, agreement
from support.painted import Grey
from support.reviewing import Ward, ward
from support.servers import PostgresServer

SCREEN = {"width": 1400, "height": 900}


@pytest.fixture
def scene(postgres_server: PostgresServer, s3_url: str, label_studio: LabelStudioServer) -> Iterator[Ward]:
    """The objects are in a bucket, of which Label Studio reads the images itself."""
    with ward(postgres_server, s3_url) as made:
        tool = open_label_studio(Settings(home=label_studio.home, objects_url=s3_url), made.platform.objects)
        assert tool is not None
        yield with_lesions(made, tool)
        tool.close()


@pytest.fixture
def folder_scene(postgres_server: PostgresServer, label_studio: LabelStudioServer) -> Iterator[Ward]:
    """The objects are in a folder, and the bridge serves the images."""
    with (
        ward(postgres_server) as made,
        serving(
            made.platform,
            keys=keys.load(label_studio.home),
            tool_url=label_studio.access.url,
            look=lambda: None,
        ) as served,
    ):
        tool = open_label_studio(
            Settings(home=label_studio.home),
            made.platform.objects,
            image_url=lambda _, digest: served.images.url(digest, time.time()),
        )
        assert tool is not None
        yield with_lesions(made, tool)
        tool.close()


def with_lesions(made: Ward, tool: LabelStudio) -> Ward:
    """The same data set with `tool`, and with a lesion in each slice."""
    truth = {slice_: lesion(number) for number, slice_ in enumerate(sorted(made.truth))}
    return replace(made, tool=tool, truth=truth)


Opened = Callable[[Ward, Desk], LabelStudioPage]


@pytest.fixture
def desk_page(label_studio: LabelStudioServer) -> Iterator[Opened]:
    """Opens the stream of a desk, logged in."""
    started = label_studio.start()

    def opened(scene: Ward, desk: Desk) -> LabelStudioPage:
        assert isinstance(scene.tool, LabelStudio)
        page = LabelStudioPage(browser.new_page(viewport=SCREEN), started.url)
        page.log_in(started.username, started.password_file.read_text().strip())
        page.begin(scene.tool.where(desk))
        return page

    with chromium() as browser:
        yield opened


def lesion(number: int) -> Grey:
    """A lesion large enough for a network that sees it blurred, at a place of its own."""
    rows, columns = np.mgrid[:96, :96]
    inside = (rows - 55) ** 2 + (columns - 25 - number) ** 2 < 18**2
    return np.where(inside, 255, 0).astype(np.uint8)


def desk(run: Run, reader: str) -> Desk:
    return Desk(run=run.id, reader=reader, classes=("infection",))


def test_readers_accept_correct_skip_and_adjudicate(
    scene: Ward, label_studio: LabelStudioServer, desk_page: Opened
) -> None:
    run = scene.run(mode="required", readers=("anna", "ben"), readings=2, adjudicator="chief")
    assert scene.drive(run) is None
    scene.push(run)
    anna, ben = (LabelStudioReader(label_studio.access, desk(run, name)) for name in ("anna", "ben"))
    shown = {slice_: anna.shown(slice_) for slice_ in anna.slices()}
    assert all(mask.any() for mask in shown.values())

    page = desk_page(scene, desk(run, "anna"))
    read: list[str] = []
    for answer in ("accept", "correct", "skip", "disagree"):
        slice_ = anna.next()
        assert slice_ is not None
        read.append(slice_)
        assert agreement(page.overlay(), shown[slice_]) > 0.85
        if answer in {"correct", "disagree"}:
            page.draw((0.2, 0.2), (0.3, 0.2))
        page.skip() if answer == "skip" else page.submit()
    accepted, corrected, skipped, disputed = read

    assert len(set(read)) == 4
    scene.pull(run)
    drawn = given(scene, run, "anna")
    assert np.array_equal(drawn[accepted], shown[accepted])
    assert stroke_of(drawn[corrected], shown[corrected])
    assert set(drawn) == {accepted, corrected, disputed}

    ben.accept(accepted)
    ben.correct(corrected, drawn[corrected])
    ben.skip(skipped)
    far = np.zeros_like(shown[disputed])
    far[60:90, 60:90] = 255
    ben.correct(disputed, far)
    scene.pull(run)
    assert scene.reviews(run)[0].closed is None
    scene.push(run)

    page = desk_page(scene, desk(run, "chief"))
    seen = page.overlay()
    assert agreement(seen, np.maximum(drawn[disputed], far)) > 0.85, "both masks are shown"
    page.delete_region("infection (2)")
    page.submit()
    scene.pull(run)
    assert scene.reviews(run)[0].closed == "everything is read"

    assert scene.drive(run) is None, "the second round waits"
    learnt = learnt_from(scene, run)
    assert {slice_: kind for slice_, (kind, _) in learnt.items()} == {
        accepted: "accepted",
        corrected: "corrected",
        disputed: "corrected",
    }
    assert np.array_equal(learnt[accepted][1], shown[accepted])
    assert np.array_equal(learnt[corrected][1], drawn[corrected])
    assert np.array_equal(learnt[disputed][1], drawn[disputed]), "anna's mask is the one that was left"
    for reader in (anna, ben):
        reader.close()


def test_a_slice_that_the_bridge_serves_is_seen_with_its_mask(
    folder_scene: Ward, label_studio: LabelStudioServer, desk_page: Opened
) -> None:
    run = folder_scene.run(mode="required")
    assert folder_scene.drive(run) is None
    folder_scene.push(run)
    reader = LabelStudioReader(label_studio.access, desk(run, "reader"))
    slice_ = reader.next()
    assert slice_ is not None
    page = desk_page(folder_scene, desk(run, "reader"))
    assert agreement(page.overlay(), reader.shown(slice_)) > 0.85
    reader.close()


def given(scene: Ward, run: Run, reader: str) -> dict[str, Grey]:
    """The masks that a reader has given, by slice."""
    rows = scene.platform.database.transaction(
        lambda c: c.execute(
            text("select slice, label from review_answers where reader = :reader and label is not null"),
            {"reader": reader},
        ).all()
    )
    return {row.slice: mask_of(scene, row.label) for row in rows}


def learnt_from(scene: Ward, run: Run) -> dict[str, tuple[str, Grey]]:
    """What the first round's merge added: kind and mask by slice."""
    merge = next(step for step in scene.steps(run, "merge") if step.round == 1)
    added = scene.platform.database.transaction(lambda c: labels.added_items(c, merge.output["digest"]))
    return {item.slice: (str(item.kind), mask_of(scene, item.label or "")) for item in added}


def mask_of(scene: Ward, label: str) -> Grey:
    found = scene.platform.database.transaction(lambda c: labels.by_digest(c, [label]))
    return binary(decode_grey8(scene.platform.objects.get(found[label].mask)))


def stroke_of(mask: Grey, shown: Grey) -> bool:
    """Whether a mask has the stroke that was drawn on top of what was shown, and nothing else changed."""
    added = (mask > 0) & (shown == 0)
    rows, columns = np.nonzero(added)
    size = mask.shape[0]
    near = abs(rows.mean() / size - 0.2) < 0.03 and abs(columns.mean() / size - 0.25) < 0.03
    return bool(near and added.mean() < 0.05 and not ((mask == 0) & (shown > 0)).any())
