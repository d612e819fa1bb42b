"""The nouns of maskloom: frozen records of what happened. Facts are inserted, never changed.

A digest is the sha256 of a blob in the object store, or the fingerprint of a record, as 64 hexadecimal digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

MAX_DATASET_NAME = 100
"""Characters of the name of a data set."""


class Split(StrEnum):
    """What a slice is for. A slice has one split in a data set, for ever."""

    LABELLED = "labelled"
    UNLABELLED = "unlabelled"
    TEST = "test"


class LabelKind(StrEnum):
    """Where a mask comes from, weakest first: of two labels of a slice the later kind here takes precedence."""

    PSEUDO = "pseudo"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    EXPERT = "expert"

    @property
    def precedence(self) -> int:
        return list(LabelKind).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One CT slice in one data set. `digest` is the sha256 of its file."""

    digest: str
    dataset: str
    split: Split
    volume: str
    position: int
    name: str
    width: int
    height: int
    bits: int
    perceptual_hash: int
    patient: str | None = None
    spacing_mm: tuple[float, ...] | None = None
    intensity: dict[str, Any] | None = None
    """How stored grey values map to the original ones (slope, intercept, unit), where the source has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelVersion:
    """One mask that somebody or some network gave to a slice.

    `digest` is the fingerprint of what it is; `mask` the blob (8-bit PNG at the slice's own size: 0 and 255 when an
    expert drew it, 0..255 for probabilities when a network did; 128 and more is lesion). `scores` holds what gates look at:
    `area` (share of the slice that is lesion, 0..1), `peak` (largest probability), `uncertainty` (0 sure .. 1 unsure).
    What a review made has the `reader` who made it, from the label `parent` that they were shown.
    """

    digest: str
    dataset: str
    slice: str
    split: Split
    kind: LabelKind
    mask: str
    step: str | None = None
    checkpoint: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    reader: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A slice in a dataset version, with its label where it has one."""

    slice: str
    label: str | None = None
    mask: str | None = None
    kind: LabelKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """A set of slices with their labels: those of `parent`, and what was added to it (a later label of a slice wins).

    `digest` is the fingerprint of (dataset, parent, sorted additions): a round costs what it adds, not what there is.
    """

    digest: str
    dataset: str
    parent: str | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A dataset version together with the items, all of one split, that it adds to its parent."""

    version: DatasetVersion
    added: tuple[Item, ...]
    split: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained network. `digest` is the sha256 of its safetensors file, which names its parameters as well."""

    digest: str
    step: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """Whether a pseudo label may be trained on. `digest` is the label's, `reason` a sentence for a person."""

    label: str
    gate: str
    step: str
    kept: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A network's measures on a set of slices with expert masks."""

    step: str
    checkpoint: str
    dataset: str
    split: Split
    measures: dict[str, Any]


class Purpose(StrEnum):
    """Why a slice is shown to a reader."""

    READING = "reading"
    GOLD = "gold"
    """It has an expert mask, which tells how well the reader reads."""
    ADJUDICATION = "adjudication"
    """Other readers disagree on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One slice for one reader in a review, with the pseudo label they are shown. `place`: 0 is to be read first."""

    slice: str
    split: Split
    label: str
    reader: str
    purpose: Purpose
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One round's masks handed out to readers. `id` is the key of the step that opened it."""

    id: str
    run: str
    dataset: str
    round: int | None
    parameters: dict[str, Any]
    assignments: tuple[Assignment, ...]


class AnswerKind(StrEnum):
    """What a reader made of a mask that they were shown."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"
    """Skipped: no mask of this slice should be learnt from."""
    WITHDRAWN = "withdrawn"
    """An earlier answer was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reader's answer to an assignment; a later one of the same reader replaces it.

    `label` is the mask they gave, for accepted and corrected. `made_at` is the annotation tool's own time, `source` its own
    name of the answer, and `lead_time_s` how long the reader took, where the tool tells.
    """

    review: str
    slice: str
    reader: str
    kind: AnswerKind
    label: str | None
    lead_time_s: float | None
    made_at: datetime
    source: str


class VerdictKind(StrEnum):
    """What a review makes of a slice."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"
    OPEN = "open"
    """An earlier verdict no longer holds, and there is no new one yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a review has decided on a slice; a later one replaces it.

    `decided_by`: a single `reader`, the `adjudicator`, or how the readers' masks were made one, `majority` or `staple`.
    `number` grows from verdict to verdict of a run, in the order in which they can be seen.
    """

    review: str
    slice: str
    kind: VerdictKind
    label: str | None
    decided_by: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """An answer that cannot be used, why, and the blob with what came."""

    run: str
    reader: str
    source: str
    reason: str
    blob: str | None


Fact = LabelVersion | Growth | Checkpoint | GateDecision | Evaluation | Review


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A source file that ingest set aside, and what to do about it."""

    dataset: str
    split: Split
    source: str
    blob: str | None
    reason: str
