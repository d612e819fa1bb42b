"""How much may come in with one upload."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from maskloom.platform.errors import MaskloomError
from maskloom.platform.settings import Settings

_LOOK_EVERY_BYTES = 64 << 20


class TooMuch(MaskloomError):
    """An upload is larger than the administrator lets it be, or than there is room for."""


class TooSlow(MaskloomError):
    """The sender falls silent, or nearly so."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """What is left of an upload's bytes and files, and of the room on the disk of `folder`."""

    settings: Settings
    folder: Path
    _bytes: int = field(default=0, init=False)
    _files: int = field(default=0, init=False)
    _look_at: int = field(default=0, init=False)

    def expect(self, size: int) -> None:
        """Raise TooMuch where so many bytes cannot come."""
        self._check_size(size)
        self._check_room(size)

    def take_bytes(self, size: int) -> None:
        """Count bytes. Raises TooMuch."""
        self._bytes += size
        self._check_size(self._bytes)
        if self._bytes >= self._look_at:
            self._check_room(0)
            self._look_at = self._bytes + _LOOK_EVERY_BYTES

    def take_files(self, number: int) -> None:
        """Count files. Raises TooMuch."""
        self._files += number
        if self._files > self.settings.upload_files:
            raise TooMuch(
                f"an upload may have {self.settings.upload_files:,} files at most",
                hint="Send them in portions, or ask an admin to raise MASKLOOM_UPLOAD_FILES.",
            )

    def _check_size(self, size: int) -> None:
        if size > self.settings.upload_size:
            raise TooMuch(
                f"an upload may have {self.settings.upload_size.human_readable()} at most, packed or unpacked",
                hint="Send it in portions, or ask an admin to raise MASKLOOM_UPLOAD_SIZE.",
            )

    def _check_room(self, size: int) -> None:
        if shutil.disk_usage(self.folder).free - self.settings.upload_reserve < size:
            raise TooMuch(
                "there is no room for it now on maskloom's disk",
                hint="Ask an admin for more room, or send less at a time.",
            )
