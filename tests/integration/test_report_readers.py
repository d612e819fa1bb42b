"""What the report of a run says of its readers."""

from __future__ import annotations

from pathlib import Path

import cv2

from maskloom.pipelines.report import write_report
from maskloom.pipelines.review.summary import summary
from support.report_page import Page
from support.reviewing import ward
from support.servers import PostgresServer


def test_it_tells_what_readers_did_and_shows_what_they_corrected(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with ward(postgres_server) as scene:
        run = scene.run(mode="required", readers=("anna", "ben"), readings=2, gold=1)
        assert scene.drive(run) is None
        scene.push(run)
        anna, ben = scene.reader(run, "anna"), scene.reader(run, "ben")
        masks = scene.masks(run)
        by_lesion = sorted(anna.slices(), key=lambda slice_: (masks[slice_].kind, -(masks[slice_].area or 0)))
        *gold, corrected, accepted, rejected, garbage = by_lesion
        larger = cv2.dilate(scene.truth[corrected], None, iterations=3)
        for reader in (anna, ben):
            reader.correct(corrected, larger, minutes="2")
            reader.accept(accepted, minutes="1")
            reader.skip(rejected)
            for slice_ in gold:
                reader.correct(slice_, scene.truth[slice_])
        anna.correct(garbage, larger[:50])
        scene.pull(run)
        write_report(scene.platform, run, tmp_path / "report.html")
        found = summary(scene.platform, run)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    (pair,) = found.pairs
    assert "Round Masks Accepted Corrected Rejected Closed 1 4 1 1 1 open" in page.words
    assert (
        "labelled 4 slices in 1 round; readers checked 2 of them, and it found 2 of the rest free"
        in page.words
    )
    assert "5 by experts, 2 by the network, 2 checked by readers" in page.words
    assert "anna 5 2 1 1 1 min 30 s 3 min 00 s 1.00 1.00 (1)" in page.words
    assert f"anna and ben {pair.agreement.slices} 1.000 0.0" in page.words
    assert "1 answer could not be used" in page.words
    assert "Corrected masks" in page.words
    assert any(href == "#readers" for href in page.attributes("a", "href"))
    drawn = page.html[page.html.index("Corrected masks") :]
    assert drawn.index('class="network"') < drawn.index('class="expert"') < drawn.index("</svg>")
