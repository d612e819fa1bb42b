"""Which volume a slice belongs to, and where in it, read from its file name. Used by ingest.

The volume matters: neighbouring slices are almost identical, so splits and samples go by volume.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from maskloom.platform.errors import SettingsError
from maskloom.platform.imaging.checks import BadImage

DEFAULT_PATTERN = r"(?P<volume>.+?)(?:[/_ -]+(?:(?:slice|image|img|frame|z)[_ -]*)?(?P<position>\d{1,9}))?"
"""The last number of a name is the position, what stands before it the volume; a lone name is its own volume.

    coronacases_001_12.jpg     volume coronacases_001, position 12
    patient1/slice_012.png     volume patient1, position 12
    siteA/patient1_012.png     volume siteA/patient1, position 12
    17.jpg                     volume 17, position 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceName:
    """Where a slice stands: `position` orders the slices of `volume`; it need not start at 0 nor be dense."""

    volume: str
    position: int


def name_pattern(pattern: str = DEFAULT_PATTERN) -> re.Pattern[str]:
    """Compile a name pattern, case-insensitive.

    Raises:
        SettingsError: not a regular expression, or without the groups `volume` and `position`.
    """
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise SettingsError(f"The name pattern {pattern!r} is not a regular expression: {error}.") from error
    if not {"volume", "position"} <= set(compiled.groupindex):
        raise SettingsError(
            f"The name pattern {pattern!r} lacks the group `volume` or `position`.",
            hint="Both are needed, as in (?P<volume>.+)_(?P<position>[0-9]+)",
        )
    return compiled


def read_name(path: str, pattern: re.Pattern[str]) -> SliceName:
    """Volume and position of a slice.

    Args:
        path: relative to the folder that is ingested, with `/` between folders; its ending is not looked at.
        pattern: from `name_pattern`; must match the whole path without its ending. A `position` group that
            takes no part in the match is position 0.

    Raises:
        BadImage: the pattern does not match, or its position is not a number.
    """
    stem = PurePosixPath(path).with_suffix("").as_posix()
    match = pattern.fullmatch(stem)
    if match is None or not match["volume"]:
        raise BadImage(
            f"The name {stem!r} does not fit the name pattern: rename the file or give another pattern."
        )
    position = match["position"] or "0"
    if not re.fullmatch(r"[0-9]{1,9}", position):
        raise BadImage(
            f"The position {position!r} in the name {stem!r} is not a number below 10^9: rename the file."
        )
    return SliceName(volume=match["volume"], position=int(position))
