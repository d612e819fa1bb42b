"""What all exports have in common: images as they were ingested, safe names, the network, and `dataset.json`.

Names are the ingested ones below the name of the split. Characters that some file system refuses become
`_`, and names that would then meet get the first digits of their slice's digest.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from maskloom.pipelines.history import MaskRecord, labels_of_run
from maskloom.pipelines.out_folder import MANIFEST, exported_folder, files_below
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import runs, slices, steps
from maskloom.platform.errors import NothingToDo
from maskloom.platform.facts import LabelKind
from maskloom.platform.imaging.formats import SLICE_SUFFIXES, decode_grey8, detect_format
from maskloom.platform.imaging.masks import binary
from maskloom.platform.run_facts import Run

T = TypeVar("T")

OnProgress = Callable[[int, int], None]
"""Told how many slices of how many are done."""

BATCH = 16
THREADS = 4
NETWORK = "network.safetensors"
_NAME_BYTES = 180  # file systems allow 255, and a suffix and a digest still follow


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSummary:
    """What an export wrote. `network`: the checkpoint's sha256; None where the run has not finished."""

    folder: Path
    slices: int
    by_kind: dict[LabelKind, int]
    empty: int
    """Slices whose mask has no lesion."""
    network: str | None
    replaced: bool
    """Whether an earlier export of the run stood there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedSlice:
    """A slice on its way out: its image's file below `images/`, and its mask (H, W) of 0 and 255."""

    record: MaskRecord
    image: PurePosixPath
    mask: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Generic[T]):
    """What one format adds to the common parts."""

    convert: Callable[[Path, ExportedSlice], T]
    """Called side by side for every slice, with the folder to write into."""
    collect: Callable[[Path, Iterable[T]], None]
    """Called once with the folder and what `convert` returned, by split, volume and position."""


def silent(done: int, total: int) -> None:
    """Progress that nobody wants to know of."""


def export(
    platform: Platform, run: Run, out: Path, form: Format[T], on_progress: OnProgress
) -> ExportSummary:
    """Export a run in some format; `out` appears in full or not at all.

    Raises NothingToDo for a run without masks, and OutputUnwritable.
    """
    records = labels_of_run(platform, run)
    if not records:
        raise NothingToDo(f"run {run.id} has no masks to export", hint=f"maskloom resume {run.id}")
    with exported_folder(out, run.id) as (folder, replaced):
        _export_slices(platform, records, folder, form, on_progress)
        network = platform.database.transaction(lambda connection: runs.final_checkpoint(connection, run.id))
        if network is not None:
            write_below(folder, NETWORK, platform.objects.get(network))
        summary = ExportSummary(
            folder=out,
            slices=len(records),
            by_kind=_by_kind(records),
            empty=sum(record.area == 0 for record in records),
            network=network,
            replaced=replaced,
        )
        manifest = platform.database.transaction(lambda connection: _manifest(connection, run, summary))
        manifest["files"] = files_below(folder)
        write_below(folder, MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False).encode())
    return summary


def _export_slices(
    platform: Platform,
    records: Sequence[MaskRecord],
    folder: Path,
    form: Format[T],
    on_progress: OnProgress,
) -> None:
    names = file_names(records)

    def export_batch(batch: Sequence[MaskRecord]) -> list[T]:
        blobs = platform.objects.get_many([r.slice for r in batch] + [r.mask for r in batch])
        return [
            form.convert(folder, _export_image(folder, record, names[record.slice], image, mask))
            for record, image, mask in zip(batch, blobs, blobs[len(batch) :], strict=False)
        ]

    def counted(done: Iterable[list[T]]) -> Iterator[T]:
        for index, converted in enumerate(chain.from_iterable(done), start=1):
            on_progress(index, len(records))
            yield converted

    threads = ThreadPoolExecutor(THREADS)
    try:
        batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
        form.collect(folder, counted(threads.map(export_batch, batches)))
    finally:
        threads.shutdown(cancel_futures=True)


def provenance(record: MaskRecord) -> dict[str, Any]:
    """A record as JSON types."""
    return asdict(record) | {"made_at": record.made_at.isoformat()}


def write_below(folder: Path, name: str, data: bytes) -> None:
    """Write a file in a subfolder that may not be there yet."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def file_names(records: Sequence[MaskRecord]) -> dict[str, PurePosixPath]:
    """A file name without suffix for every slice, by digest. All differ, even where case does not count."""
    names = {record.slice: _safe_name(record) for record in records}
    taken = Counter(_sameness(name) for name in names.values())
    return {
        digest: name if taken[_sameness(name)] == 1 else name.with_name(f"{name.name}-{digest[:8]}")
        for digest, name in names.items()
    }


def _safe_name(record: MaskRecord) -> PurePosixPath:
    *folders, last = record.name.split("/")
    stem = last.removesuffix(PurePosixPath(last).suffix)
    # A folder that is called like a file could be in that file's place.
    folders = [f"{name}_" if name.lower().endswith(SLICE_SUFFIXES) else name for name in folders]
    return PurePosixPath(record.split, *(_safe(part) for part in [*folders, stem]))


def _safe(part: str) -> str:
    """`part` as a file name that cannot leave its folder."""
    allowed = re.sub(r"[^\w.+=@-]+", "_", part).strip(".").encode()[:_NAME_BYTES].decode(errors="ignore")
    return allowed or "_"


def _sameness(name: PurePosixPath) -> str:
    return unicodedata.normalize("NFKC", str(name)).casefold()


def _export_image(
    folder: Path, record: MaskRecord, name: PurePosixPath, image: bytes, mask: bytes
) -> ExportedSlice:
    file = name.with_name(name.name + detect_format(image, "").suffixes[0])
    write_below(folder, f"images/{file}", image)
    return ExportedSlice(record=record, image=file, mask=binary(decode_grey8(mask)))


def _by_kind(records: Sequence[MaskRecord]) -> dict[LabelKind, int]:
    counts = Counter(record.kind for record in records)
    return {kind: counts[kind] for kind in LabelKind if counts[kind]}


def _manifest(connection: Connection, run: Run, summary: ExportSummary) -> dict[str, Any]:
    return {
        "made_by": f"maskloom {version('maskloom')}",
        "run": run.id,
        "status": runs.status(connection, run.id),
        "dataset": run.dataset,
        "classes": slices.classes(connection, run.dataset),
        "created_at": run.created_at.isoformat(),
        "recipe": run.recipe,
        "seed": run.seed,
        "rounds": runs.rounds_done(connection, run.id),
        "dataset_versions": {"labelled": run.labelled.digest, "pool": run.pool.digest},
        "checkpoint": summary.network and {"file": NETWORK, "sha256": summary.network},
        "counts": {
            "slices": summary.slices,
            "empty_masks": summary.empty,
            "without_mask": run.labelled.size + run.pool.size - summary.slices,
            **summary.by_kind,
        },
        "evaluations": [
            {"split": evaluation.split, "checkpoint": evaluation.checkpoint, **evaluation.measures}
            for evaluation in steps.evaluations_of(connection, run.id)
        ],
    }
