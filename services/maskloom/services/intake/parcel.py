"""What an upload brought, by names and digests of the object store: packed where files come in, and read by the job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from maskloom.platform.bootstrap import Platform
from maskloom.platform.objects.sources import MAX_FILE_BYTES
from maskloom.platform.objects.store import ObjectStore
from maskloom.services.intake.archives import is_archive, unpack
from maskloom.services.intake.limits import Budget
from maskloom.services.intake.multipart import Part

_AT_ONCE = 16
_AT_ONCE_BYTES = 64 << 20
_LONGEST_NAME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Digests of images and masks by name, and the reasons for which others were set aside."""

    images: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    set_aside: list[tuple[str, str]] = field(default_factory=list)


_PARCEL = TypeAdapter(Parcel)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFiles:
    """Files of the object store by name. Implements `sources.Source`."""

    objects: ObjectStore
    digests: dict[str, str]

    def names(self) -> list[str]:
        return sorted(self.digests)

    def read(self, name: str) -> bytes:
        return self.objects.get(self.digests[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    field: str
    name: str
    content: bytes | str
    """What is in it, or why it is set aside."""


def pack(platform: Platform, parts: Iterable[Part], budget: Budget) -> Parcel:
    """Put the files that came, and those in zip files, into the object store.

    Raises SettingsError for a zip file that is none, TooMuch, and ObjectStoreUnavailable.
    """
    parcel = Parcel()
    for batch in _batches(_files(parts, budget)):
        kept = []
        for one in batch:
            reason = one.content if isinstance(one.content, str) else _refusal(parcel, one)
            if reason is None:
                _names(parcel, one.field)[one.name] = ""
                kept.append(one)
            else:
                parcel.set_aside.append((_printable(one), reason))
        digests = platform.objects.put_many([one.content for one in kept if isinstance(one.content, bytes)])
        for one, digest in zip(kept, digests, strict=True):
            _names(parcel, one.field)[one.name] = digest
    return parcel


def store(platform: Platform, parcel: Parcel) -> str:
    """Keep a parcel; its digest."""
    return platform.objects.put(_PARCEL.dump_json(parcel))


def load(platform: Platform, digest: str) -> Parcel:
    """The parcel of that digest."""
    return _PARCEL.validate_json(platform.objects.get(digest))


def _files(parts: Iterable[Part], budget: Budget) -> Iterator[_File]:
    for part in parts:
        with part.path.open("rb") as file:
            start = file.read(4)
        if is_archive(start):
            for name, content in unpack(part.path, part.name, budget):
                yield _in_its_place(part.field, name, content)
        elif part.path.stat().st_size > MAX_FILE_BYTES:
            yield _in_its_place(part.field, part.name, "It is larger than a slice can be.")
        else:
            yield _in_its_place(part.field, part.name, part.path.read_bytes())
        part.path.unlink()


def _batches(files: Iterable[_File]) -> Iterator[list[_File]]:
    """Files that are held in memory at a time."""
    batch: list[_File] = []
    for one in files:
        batch.append(one)
        if len(batch) == _AT_ONCE or sum(len(one.content) for one in batch) > _AT_ONCE_BYTES:
            yield batch
            batch = []
    yield batch


def _in_its_place(field: str, name: str, content: bytes | str) -> _File:
    """A file of a folder or of a zip file, which may have both in folders `images` and `masks`."""
    *folders, last = name.replace("\\", "/").split("/")
    for depth, folder in enumerate(folders):
        if folder in {"images", "masks"}:
            return _File(field=folder, name="/".join([*folders[depth + 1 :], last]), content=content)
    return _File(field=field, name="/".join([*folders, last]), content=content)


def _refusal(parcel: Parcel, one: _File) -> str | None:
    parts = one.name.split("/")
    if any(part in {"", ".", ".."} for part in parts) or ":" in parts[0]:
        return "Its name leads to other folders: give it a plain name."
    if len(one.name) > _LONGEST_NAME or not one.name.isprintable():
        return f"Its name is longer than {_LONGEST_NAME} characters, or some of them cannot be printed."
    if one.name in _names(parcel, one.field):
        return "Another file of the same upload has its name."
    return None


def _names(parcel: Parcel, field: str) -> dict[str, str]:
    return parcel.images if field == "images" else parcel.masks


def _printable(one: _File) -> str:
    name = one.name if one.name.isprintable() else ascii(one.name)[1:-1]
    return f"masks/{name[:_LONGEST_NAME]}" if one.field == "masks" else name[:_LONGEST_NAME]
