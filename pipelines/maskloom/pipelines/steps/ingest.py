"""Ingest: take slices and expert masks into a data set. What is bad is set aside with a reason and never stops the rest.

Everything is named by its content, so ingesting a folder again adds nothing. A slice enters together with its mask in one
transaction, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from re import Pattern

from sqlalchemy import Connection, text

from maskloom.pipelines.steps import doubts
from maskloom.pipelines.steps.pairing import Pairs
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, slices
from maskloom.platform.errors import SettingsError, SourceUnreadable
from maskloom.platform.facts import MAX_DATASET_NAME, LabelKind, LabelVersion, Quarantined, Slice, Split
from maskloom.platform.fingerprint import fingerprint, sha256
from maskloom.platform.imaging import phash
from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.formats import encode_png, read_slice, to_grey8
from maskloom.platform.imaging.masks import read_mask
from maskloom.platform.imaging.naming import name_pattern, read_name
from maskloom.platform.objects.sources import Source, visible

BATCH = 64
THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What to ingest into which split of which data set. `masks` holds NAME.png for each NAME.* of `images`."""

    images: Source
    masks: Source | None
    dataset: str
    split: Split
    pattern: Pattern[str] = field(default_factory=name_pattern)


@dataclass(slots=True, kw_only=True)
class IngestReport:
    """What an ingest did. `warnings` (`doubts.about`) are of slices that are taken in all the same."""

    added: int = 0
    known: int = 0
    labels_added: int = 0
    set_aside: list[Quarantined] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was set aside or warned of."""
        return not self.set_aside and not self.warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A file that could be read: the slice it would be, its bytes, and its canonical mask."""

    slice: Slice
    media_type: str
    image: bytes
    mask: bytes | None
    area: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    source: str
    reason: str
    data: bytes | None


def ingest(platform: Platform, intake: Intake, on_progress: Callable[[int, int], None]) -> IngestReport:
    """Ingest everything below `intake.images`; `on_progress(done, total)` is called now and then.

    Raises SettingsError when masks are missing or given where there can be none, SourceUnreadable for a folder that cannot be
    listed.
    """
    if (intake.masks is None) != (intake.split is Split.UNLABELLED):
        raise SettingsError(
            f"split {intake.split} {'needs masks' if intake.masks is None else 'takes no masks'}",
            hint="Give --masks PATH with labelled and test slices, and only with those.",
        )
    if not intake.dataset.isprintable() or not 0 < len(intake.dataset.strip()) <= MAX_DATASET_NAME:
        raise SettingsError(
            f"{intake.dataset[:MAX_DATASET_NAME]!r} cannot name a data set",
            hint=f"Take up to {MAX_DATASET_NAME} characters that can be printed.",
        )
    report = IngestReport()
    names = visible(intake.images.names())
    pairs = Pairs(names, visible(intake.masks.names())) if intake.masks else None
    platform.database.transaction(lambda connection: slices.add_dataset(connection, intake.dataset))

    def examine(name: str) -> _Candidate | _Refused:
        return _examine(intake, name, pairs)

    fresh: list[Slice] = []
    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(names), BATCH):
            examined = list(threads.map(examine, names[start : start + BATCH]))
            fresh += _take_in(platform, intake, examined, report)
            on_progress(start + len(examined), len(names))
    refused = [_refused_mask(intake, name) for name in pairs.orphans()] if pairs else []
    _set_aside(platform, intake, refused, report)
    every = platform.database.transaction(lambda connection: slices.of_dataset(connection, intake.dataset))
    report.warnings += doubts.about(fresh, every)
    return report


def _examine(intake: Intake, name: str, pairs: Pairs | None) -> _Candidate | _Refused:
    data = None
    try:
        _check_name(name)
        data = intake.images.read(name)
        decoded = read_slice(data, name)
        place = read_name(name, intake.pattern)
        mask = None
        if intake.masks is not None and pairs is not None:
            mask_name = pairs.mask_of(name)
            mask = read_mask(intake.masks.read(mask_name), mask_name, (decoded.height, decoded.width))
    except (BadImage, SourceUnreadable) as error:
        return _Refused(source=_printable(name), reason=str(error), data=data)
    return _Candidate(
        slice=Slice(
            digest=sha256(data),
            dataset=intake.dataset,
            split=intake.split,
            volume=place.volume,
            position=place.position,
            name=name,
            width=decoded.width,
            height=decoded.height,
            bits=decoded.bits,
            perceptual_hash=phash.perceptual_hash(to_grey8(decoded.pixels)),
        ),
        media_type=decoded.media_type,
        image=data,
        mask=None if mask is None else encode_png(mask),
        area=0.0 if mask is None else float((mask > 0).mean()),
    )


def _take_in(
    platform: Platform, intake: Intake, examined: Sequence[_Candidate | _Refused], report: IngestReport
) -> list[Slice]:
    """Store a batch; returns the slices that are new."""
    candidates = [item for item in examined if isinstance(item, _Candidate)]
    platform.objects.put_many([item.image for item in candidates])
    masked = [item for item in candidates if item.mask is not None]
    masks = platform.objects.put_many([item.mask for item in masked if item.mask is not None])
    mask_of = {item.slice.name: mask for item, mask in zip(masked, masks, strict=True)}

    def insert(connection: Connection) -> tuple[list[_Candidate], list[LabelVersion], list[_Refused]]:
        _one_ingest_at_a_time(connection, intake.dataset)
        good, duplicates = _without_duplicates(connection, intake, candidates)
        there = slices.by_digest(connection, intake.dataset, [item.slice.digest for item in good])
        new = [item for item in good if item.slice.digest not in there]
        in_force = labels.expert_labels(
            connection, intake.dataset, intake.split, [item.slice.digest for item in good]
        )
        drawn = [
            _expert_label(item, mask_of[item.slice.name], in_force.get(item.slice.digest))
            for item in good
            if item.slice.name in mask_of
            and not _same_mask(in_force.get(item.slice.digest), mask_of[item.slice.name])
        ]
        rows = [(item.slice.digest, len(item.image), item.media_type) for item in new]
        rows += [(mask, len(item.mask or b""), "image/png") for item, mask in zip(masked, masks, strict=True)]
        slices.add_blobs(connection, rows)
        slices.add_slices(connection, [item.slice for item in new])
        labels.add_labels(connection, drawn)
        return new, drawn, duplicates

    new, drawn, duplicates = platform.database.transaction(insert)
    refused = [item for item in examined if isinstance(item, _Refused)] + duplicates
    _set_aside(platform, intake, refused, report)
    report.added += len(new)
    report.known += len(candidates) - len(new) - len(duplicates)
    report.labels_added += len(drawn)
    return [item.slice for item in new]


def _without_duplicates(
    connection: Connection, intake: Intake, candidates: Sequence[_Candidate]
) -> tuple[list[_Candidate], list[_Refused]]:
    """Candidates whose content is new, or known under the same name in the same split; and the others, refused."""
    known = slices.by_digest(connection, intake.dataset, [item.slice.digest for item in candidates])
    good, refused = [], []
    for item in candidates:
        earlier = known.setdefault(item.slice.digest, item.slice)
        if earlier.split != intake.split:
            reason = (
                f"The same slice is in the split {earlier.split} as {earlier.name}, and to have it in both would be a leak. "
                "To use it otherwise, take it into another --dataset."
            )
        elif earlier.name != item.slice.name:
            reason = f"The content is the same as that of {earlier.name}: remove one of the two."
        else:
            good.append(item)
            continue
        refused.append(_Refused(source=item.slice.name, reason=reason, data=item.image))
    return good, refused


def _same_mask(label: LabelVersion | None, mask: str) -> bool:
    return label is not None and label.mask == mask


def _expert_label(item: _Candidate, mask: str, earlier: LabelVersion | None) -> LabelVersion:
    identity = {
        "dataset": item.slice.dataset,
        "slice": item.slice.digest,
        "mask": mask,
        "kind": LabelKind.EXPERT,
    }
    if earlier is not None:
        # Whoever goes back to an earlier mask draws it anew: what was drawn before stays what it was.
        identity["after"] = earlier.digest
    return LabelVersion(
        digest=fingerprint(identity),
        dataset=item.slice.dataset,
        slice=item.slice.digest,
        split=item.slice.split,
        kind=LabelKind.EXPERT,
        mask=mask,
        scores={"area": item.area},
    )


def _set_aside(platform: Platform, intake: Intake, refused: Sequence[_Refused], report: IngestReport) -> None:
    """Keep the bytes and the reason of what was refused."""
    if not refused:
        return
    kept = [item for item in refused if item.data is not None]
    blobs = platform.objects.put_many([item.data for item in kept if item.data is not None])
    blob_of = {item.source: blob for item, blob in zip(kept, blobs, strict=True)}
    records = [
        Quarantined(
            dataset=intake.dataset,
            split=intake.split,
            source=item.source,
            blob=blob_of.get(item.source),
            reason=item.reason,
        )
        for item in refused
    ]

    def insert(connection: Connection) -> None:
        slices.add_blobs(
            connection,
            [
                (blob, len(item.data or b""), "application/octet-stream")
                for item, blob in zip(kept, blobs, strict=True)
            ],
        )
        slices.set_aside(connection, records)

    platform.database.transaction(insert)
    report.set_aside += records


def _refused_mask(intake: Intake, name: str) -> _Refused:
    assert intake.masks is not None
    reason = "There is no slice for this mask: give it its slice's name, or add the slice."
    try:
        return _Refused(source=f"masks/{_printable(name)}", reason=reason, data=intake.masks.read(name))
    except SourceUnreadable as error:
        return _Refused(source=f"masks/{_printable(name)}", reason=str(error), data=None)


def _one_ingest_at_a_time(connection: Connection, dataset: str) -> None:
    connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"ingest/{dataset}"})


def _check_name(name: str) -> None:
    if _printable(name) != name:
        raise BadImage("The file's name is not UTF-8: rename it.")


def _printable(name: str) -> str:
    """`name` with the bytes that are not UTF-8, which Python carries as lone surrogates, written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()
