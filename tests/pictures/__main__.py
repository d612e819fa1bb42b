"""Takes the pictures of the guides, on real runs in a real Label Studio and the console: `make guide-pictures`. Takes minutes.

`python -m pictures console` takes those of the console alone.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from maskloom.services.bridge.label_studio.server import USERNAME
from pictures import console, label_studio, terminal
from pictures.console_scene import console_scene
from pictures.scene import CHIEF, READERS, Scene, staged
from support.browser import chromium

FOLDER = Path(__file__).parents[2] / "docs" / "guides" / "pictures"
_MOST_BYTES = 150_000
_LESION = 0.02
"""Share of a slice that a mask marks which is to be seen well."""


def main() -> None:
    """Take all pictures anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with console_scene() as team, chromium() as browser:
        for name, picture in console.photographs(browser, team):
            keep(name, picture)
    if sys.argv[1:] != ["console"]:
        with staged() as scene:
            take(scene)


def take(scene: Scene) -> None:
    """Take them of this scene: first as anna reads, then as the chief decides, then what its lead is told."""
    url = scene.access.url
    with chromium() as browser:
        anna = label_studio.log_in(browser, url, USERNAME, scene.password)
        keep("by-certainty", label_studio.by_certainty(anna, scene.project("anna")))
        keep("instructions", label_studio.instructions(anna, scene.project("anna")))
        desk = scene.reader("anna")
        anna.begin(scene.project("anna"))
        while (desk.shown(slice_ := desk.next() or "") > 0).mean() < _LESION:
            anna.submit()
            anna.wait_for_slice()
        keep("labelling", label_studio.view(anna))
        missing = (scene.truth[slice_] > 0) & (desk.shown(slice_) == 0)
        anna.draw(*label_studio.stroke(missing))
        keep("brush", label_studio.view(anna))
        anna.submit()
        desk.close()
        for seed, name in enumerate(READERS):
            scene.read(name, seed)
        scene.wait_for_tasks(CHIEF)
        desk = scene.reader(CHIEF)
        anna.begin(scene.project(CHIEF))
        while len(desk.alternatives(desk.next() or "")) < len(READERS):
            anna.skip()
            anna.wait_for_slice()
        keep("two-masks", label_studio.view(anna))
        desk.close()
        keep("projects", label_studio.projects(anna, url))
        scene.shell("review", "down")
        keep("review-up", terminal.photograph(browser, scene.shell, "review", "up", columns=80))
        keep(
            "review-status",
            terminal.photograph(browser, scene.shell, "review", "status", scene.run, columns=100),
        )


def keep(name: str, picture: bytes) -> None:
    """Write a PNG with as many colours as its size allows."""
    full = Image.open(io.BytesIO(picture)).convert("RGB")
    # Without `kmeans` the greys of CT take the places of the few other colours.
    for colours in (256, 128, 64):
        small = io.BytesIO()
        full.quantize(colours, kmeans=2, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if small.tell() <= _MOST_BYTES:
            (FOLDER / f"{name}.png").write_bytes(small.getvalue())
            return
    raise AssertionError(f"{name} is too large: {small.tell()} bytes with 64 colours")


if __name__ == "__main__":
    main()
