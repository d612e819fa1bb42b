"""The errors that people see."""

from __future__ import annotations

import errno
import pickle

import pytest

from maskloom.platform.errors import (
    CatalogUnavailable,
    MaskloomError,
    ObjectMissing,
    SettingsError,
    disk_hint,
)


@pytest.mark.parametrize("kind", [MaskloomError, SettingsError, ObjectMissing, CatalogUnavailable])
def test_errors_keep_message_and_hint_between_processes(kind: type[MaskloomError]) -> None:
    error = pickle.loads(pickle.dumps(kind("the disk is full", hint="free some space")))
    assert type(error) is kind
    assert (str(error), error.message, error.hint) == (
        "the disk is full",
        "the disk is full",
        "free some space",
    )
    assert error.exit_code != 0


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "Let this user write"),
        (errno.EROFS, "Let this user write"),
        (errno.ENOTDIR, "file stands"),
        (errno.EIO, "mounted and healthy"),
    ],
)
def test_a_failed_file_operation_comes_with_advice(code: int, advice: str) -> None:
    assert advice in disk_hint(OSError(code, "reason"))
