"""A folder as annotation tool: pictures, masks to paint on, and tables to fill in. Any paint program will do.

    FOLDER/RUN/READER/
        READ ME.txt      what to do, for the reader
        tasks-001.csv    one line a slice: the reader fills in `answer` and, if they like, `minutes`
        images/          the slices
        masks/           the masks, which the reader changes in place; an adjudicator finds those of the readers side by side

A table is written once and then belongs to the reader: further slices come in further tables. `.handed-out.json` knows
what was handed out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from maskloom.pipelines.out_folder import write_file, writing
from maskloom.pipelines.review.readings import Changes, Reading, Unreadable
from maskloom.platform.errors import ToolUnavailable, disk_hint
from maskloom.platform.fingerprint import sha256
from maskloom.platform.imaging.formats import decode_grey8, detect_format, encode_png
from maskloom.platform.imaging.masks import binary
from maskloom.platform.objects.store import ObjectStore
from maskloom.services.bridge import folder_tables as tables
from maskloom.services.bridge.folder_tables import HandedOut
from maskloom.services.bridge.tool import Desk, Pushed, Task

_HANDED_OUT = ".handed-out.json"

_README = """\
Each line of tasks-*.csv is one slice. Look at its picture in images/, and at the mask of the same name in masks/, where
white (255) marks: {classes}.

- The mask is right: write  accept  into the column `answer`.
- It is not: change the mask in place, 0 for background and 255 for what is marked, save it as PNG of the same size, and
  write  correct.
- Nothing should be learnt from this slice: write  reject.

Begin at the top: there the network is least certain. To take an answer back, empty the column again. `minutes` may hold how
long you took. Leave the other columns and the names of the files as they are.
"""


class Folder:
    """Desks as folders below `root`."""

    def __init__(self, root: Path, objects: ObjectStore) -> None:
        self._root = root
        self._objects = objects

    @property
    def name(self) -> str:
        """The folder."""
        return f"folder {self._root}"

    def where(self, desk: Desk) -> str:
        """The desk's own folder."""
        return str(self._of(desk))

    def push(self, desk: Desk, tasks: Sequence[Task]) -> Pushed:
        """See `AnnotationTool`. Raises OutputUnwritable."""
        folder = self._of(desk)
        with writing(folder):
            known = _known(folder)
            added = [task for task in tasks if task.slice not in known]
            replaced = [
                task
                for task in tasks
                if task.slice in known
                and known[task.slice].masks != task.masks
                and tables.untouched(folder, known[task.slice])
            ]
            table = tables.next_name({one.table for one in known.values()})
            for number, task in enumerate(added, start=len(known) + 1):
                known[task.slice] = self._hand_out(folder, task, f"{number:05}-{task.slice[:8]}", table)
            for task in replaced:
                before = known[task.slice]
                known[task.slice] = self._hand_out(folder, task, before.stem, before.table)
            if added:
                tables.write(folder / table, [known[task.slice] for task in added])
            if added or replaced:
                _know(folder, known)
            write_file(folder / "READ ME.txt", _README.format(classes=", ".join(desk.classes)).encode())
        return Pushed(
            added=len(added), replaced=len(replaced), unchanged=len(tasks) - len(added) - len(replaced)
        )

    def changes(self, desk: Desk, cursor: str | None) -> Changes:
        """See `AnnotationTool`. The cursor is the time of the newest change so far."""
        folder = self._of(desk)
        since = datetime.fromisoformat(cursor) if cursor else datetime.min.replace(tzinfo=UTC)
        try:
            found = list(tables.readings(folder, _known(folder), since))
        except OSError as error:
            raise ToolUnavailable(f"cannot read {folder}: {error}", hint=disk_hint(error)) from error
        newest = max([since, *(moment for moment, _ in found)])
        return Changes(
            readings=tuple(one for _, one in found if isinstance(one, Reading)),
            unreadable=tuple(one for _, one in found if isinstance(one, Unreadable)),
            cursor=newest.isoformat(),
        )

    def _of(self, desk: Desk) -> Path:
        return self._root / desk.run / desk.reader

    def _hand_out(self, folder: Path, task: Task, stem: str, table: str) -> HandedOut:
        """Write the picture and the masks of a task."""
        image, *softs = self._objects.get_many([task.image, *task.masks])
        name = f"images/{stem}{detect_format(image, '').suffixes[0]}"
        write_file(folder / name, image)
        files = [encode_png(binary(decode_grey8(soft))) for soft in softs]
        if len(files) > 1:
            for reader, file in enumerate(files, start=1):
                write_file(folder / "masks" / f"{stem}.reader-{reader}.png", file)
        write_file(folder / "masks" / f"{stem}.png", files[0])
        return HandedOut(
            slice=task.slice,
            stem=stem,
            table=table,
            image=name,
            width=task.width,
            height=task.height,
            uncertainty=task.uncertainty,
            masks=task.masks,
            written=sha256(files[0]),
        )


def _known(folder: Path) -> dict[str, HandedOut]:
    """What was handed out, by slice."""
    path = folder / _HANDED_OUT
    if not path.exists():
        return {}
    known = [HandedOut(**one | {"masks": tuple(one["masks"])}) for one in json.loads(path.read_bytes())]
    return {one.slice: one for one in known}


def _know(folder: Path, known: dict[str, HandedOut]) -> None:
    write_file(folder / _HANDED_OUT, json.dumps([asdict(one) for one in known.values()]).encode())
