"""Data sets and their slices."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels, slices
from maskloom.platform.errors import UnknownName
from maskloom.platform.facts import LabelKind, Slice, Split
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.paging import Cursor, Limit, Page, cursor_of, place_of

SLICE_PLACE: TypeAdapter[tuple[str, int, str]] = TypeAdapter(tuple[str, int, str])


class DatasetView(BaseModel):
    """A data set."""

    name: str = Field(examples=["covid"])
    classes: list[str] = Field(examples=[["infection"]])
    slices: dict[Split, int] = Field(examples=[{"labelled": 20, "unlabelled": 1600, "test": 48}])
    role: Role = Field(description="What you are on it.")


class SliceView(BaseModel):
    """A slice. `digest` is the sha256 of its file."""

    digest: str = Field(examples=["9f2c" * 16])
    split: Split
    volume: str = Field(examples=["patient 7"])
    position: int
    name: str = Field(examples=["patient_7_031.png"])
    width: int
    height: int
    bits: int
    intensity: dict[str, object] | None = Field(description="How grey values map to those of the source.")


class LabelView(BaseModel):
    """A mask that a slice has or had. All digests."""

    digest: str
    kind: LabelKind
    mask: str
    step: str | None
    checkpoint: str | None
    reader: str | None
    parent: str | None
    scores: dict[str, float]


class QuarantinedView(BaseModel):
    """A file that was set aside when it came, and why."""

    split: Split
    source: str
    reason: str


class Datasets:
    """Answers below /datasets."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/datasets", tags=["data sets"])
        router.add_api_route("", self.every, methods=["GET"])
        router.add_api_route("/{dataset}", self.one, methods=["GET"])
        router.add_api_route("/{dataset}/slices", self.slices, methods=["GET"])
        router.add_api_route("/{dataset}/slices/{digest}", self.slice, methods=["GET"])
        router.add_api_route("/{dataset}/slices/{digest}/labels", self.labels, methods=["GET"])
        router.add_api_route("/{dataset}/quarantine", self.quarantine, methods=["GET"])
        return router

    def every(self, caller: Signed) -> Page[DatasetView]:
        """The data sets that you see."""

        def look(connection: Connection) -> list[DatasetView]:
            return [_view(connection, name, caller.role_on(name)) for name in caller.visible()]

        return Page(items=self._transaction(look))

    def one(self, dataset: str, caller: Signed) -> DatasetView:
        """A data set."""
        caller.must_be(Role.VIEWER, dataset)

        return self._transaction(lambda c: _view(c, dataset, caller.role_on(dataset)))

    def slices(
        self,
        dataset: str,
        caller: Signed,
        split: Split = Split.UNLABELLED,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> Page[SliceView]:
        """The slices of a split by volume and position."""
        caller.must_be(Role.VIEWER, dataset)
        after = place_of(cursor, SLICE_PLACE)
        found = self._transaction(lambda c: slices.page(c, dataset, split, after, limit))
        last = found[-1] if len(found) == limit else None
        return Page(
            items=[_slice(one) for one in found],
            next=cursor_of(place_of_slice(last)) if last else "",
        )

    def slice(self, dataset: str, digest: str, caller: Signed) -> SliceView:
        """A slice."""
        return _slice(slice_seen(self._platform, caller, dataset, digest))

    def labels(self, dataset: str, digest: str, caller: Signed) -> Page[LabelView]:
        """Every mask that a slice ever had, oldest first."""
        slice_seen(self._platform, caller, dataset, digest)
        found = self._transaction(lambda c: labels.of_slice(c, dataset, digest, caller.reads_as(dataset)))
        return Page(items=[LabelView.model_validate(one, from_attributes=True) for one in found])

    def quarantine(self, dataset: str, caller: Signed) -> Page[QuarantinedView]:
        """The files that were set aside when they came, oldest first."""
        caller.must_be(Role.LEAD, dataset)
        found = self._transaction(lambda c: slices.quarantined(c, dataset))
        return Page(items=[QuarantinedView.model_validate(one, from_attributes=True) for one in found])


def _view(connection: Connection, name: str, role: Role | None) -> DatasetView:
    assert role is not None, "only data sets that the caller sees are told of"
    return DatasetView(
        name=name, classes=slices.classes(connection, name), slices=slices.counts(connection, name), role=role
    )


def place_of_slice(one: Slice) -> tuple[str, int, str]:
    """Where a slice stands in lists of its split."""
    return one.volume, one.position, one.digest


def slice_seen(platform: Platform, caller: Caller, dataset: str, digest: str) -> Slice:
    """A slice of a data set. Raises UnknownName where there is none, or the caller does not see the data set."""
    caller.must_be(Role.VIEWER, dataset)
    found = platform.database.transaction(lambda c: slices.by_digest(c, dataset, [digest]))
    if digest not in found:
        raise UnknownName(
            f"data set {dataset!r} has no slice {digest[:64]!r}",
            hint="Slices are named by their whole digest.",
        )
    return found[digest]


def _slice(one: Slice) -> SliceView:
    # Without the patient: who looks at masks need not know which slices are whose.
    return SliceView.model_validate(one, from_attributes=True)
