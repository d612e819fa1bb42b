"""A reader who works in a folder as a person does: paints on masks, and fills in the tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskloom.platform.imaging.formats import decode_grey8, encode_png
from maskloom.platform.imaging.masks import binary


class FolderReader:
    """Works in the folder of one desk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def slices(self) -> list[str]:
        """What there is to read, the first first."""
        return [row["slice"] for _, rows in self._tables() for row in rows]

    def shown(self, slice_: str) -> NDArray[np.uint8]:
        """The mask that stands in the folder."""
        return binary(decode_grey8(self.mask_file(slice_).read_bytes()))

    def alternatives(self, slice_: str) -> list[NDArray[np.uint8]]:
        """The masks of the other readers, as an adjudicator finds them."""
        file = self.mask_file(slice_)
        return [
            binary(decode_grey8(path.read_bytes()))
            for path in sorted(file.parent.glob(f"{file.stem}.reader-*.png"))
        ]

    def accept(self, slice_: str, minutes: str = "") -> None:
        self._answer(slice_, "accept", minutes)

    def correct(self, slice_: str, mask: NDArray[np.uint8], minutes: str = "") -> None:
        self.mask_file(slice_).write_bytes(encode_png(mask))
        self._answer(slice_, "correct", minutes)

    def edit(self, slice_: str, mask: NDArray[np.uint8]) -> None:
        """Changes what was answered."""
        self.correct(slice_, mask)

    def skip(self, slice_: str) -> None:
        self._answer(slice_, "reject", "")

    def withdraw(self, slice_: str) -> None:
        self._answer(slice_, "", "")

    def mask_file(self, slice_: str) -> Path:
        row = next(row for _, rows in self._tables() for row in rows if row["slice"] == slice_)
        return self.folder / row["mask"]

    def _answer(self, slice_: str, answer: str, minutes: str) -> None:
        for path, rows in self._tables():
            for row in rows:
                if row["slice"] == slice_:
                    row |= {"answer": answer, "minutes": minutes}
                    with path.open("w", newline="") as file:
                        table = csv.DictWriter(file, list(row))
                        table.writeheader()
                        table.writerows(rows)

    def _tables(self) -> list[tuple[Path, list[dict[str, str]]]]:
        return [
            (path, list(csv.DictReader(path.read_text().splitlines())))
            for path in sorted(self.folder.glob("tasks-*.csv"))
        ]
