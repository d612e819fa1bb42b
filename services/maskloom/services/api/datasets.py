"""Data sets and their slices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import TypeAdapter
from sqlalchemy import Connection

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import audit, labels, slices
from maskloom.platform.errors import SettingsError, UnknownName
from maskloom.platform.facts import MAX_DATASET_NAME, Slice, Split
from maskloom.services.access.caller import Caller
from maskloom.services.api.gate import Signed
from maskloom.services.api.once import Repeatable
from maskloom.services.api.paging import Cursor, Limit, Page, cursor_of, place_of
from maskloom.services.api.problems import refusals
from maskloom.services.api.views import DatasetView, LabelView, NewDataset, QuarantinedView, SliceView

SLICE_PLACE: TypeAdapter[tuple[str, int, str]] = TypeAdapter(tuple[str, int, str])


class Datasets:
    """Answers below /datasets."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._transaction = platform.database.transaction

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/datasets", tags=["data sets"])
        router.add_api_route("", self.every, methods=["GET"], name="list")
        router.add_api_route(
            "", self.make, methods=["POST"], status_code=201, name="make", responses=refusals(403)
        )
        router.add_api_route("/{dataset}", self.one, methods=["GET"], name="get")
        router.add_api_route("/{dataset}/slices", self.slices, methods=["GET"])
        router.add_api_route("/{dataset}/slices/{digest}", self.slice, methods=["GET"])
        router.add_api_route("/{dataset}/slices/{digest}/labels", self.labels, methods=["GET"])
        router.add_api_route(
            "/{dataset}/quarantine", self.quarantine, methods=["GET"], responses=refusals(403)
        )
        return router

    def every(self, caller: Signed) -> Page[DatasetView]:
        """The data sets that you see."""

        return Page(items=self._transaction(lambda c: _views(c, _roles(caller, caller.visible()))))

    def make(self, wanted: NewDataset, caller: Signed, once: Repeatable) -> DatasetView:
        """Make a data set, empty and seen by admins alone until roles on it are granted."""
        caller.must_be_admin()
        name = wanted.name
        if not name.isprintable() or name != name.strip() or set(name) & {"/", "\\"} or name in {".", ".."}:
            raise SettingsError(
                f"{name!r} cannot name a data set",
                hint=f"Take up to {MAX_DATASET_NAME} characters that can be printed, without / and \\.",
            )

        def insert(connection: Connection) -> DatasetView:
            if name in slices.dataset_names(connection):
                raise SettingsError(f"there is a data set {name!r} already", hint="Choose another name.")
            slices.add_dataset(connection, name)
            audit.append(connection, caller.act("dataset.made", name, dataset=name))
            (made,) = _views(connection, {name: Role.ADMIN})
            return made

        return once.answer(DatasetView, insert)

    def one(self, dataset: str, caller: Signed) -> DatasetView:
        """A data set."""
        caller.must_be(Role.VIEWER, dataset)
        return self._transaction(lambda c: _views(c, _roles(caller, [dataset])))[0]

    def slices(
        self,
        dataset: str,
        caller: Signed,
        split: Annotated[Split, Query(description="Which split.")] = Split.UNLABELLED,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> Page[SliceView]:
        """The slices of a split by volume and position."""
        caller.must_be(Role.VIEWER, dataset)
        after = place_of(cursor, SLICE_PLACE)
        found = self._transaction(lambda c: slices.page(c, dataset, split, after, limit))
        last = found[-1] if len(found) == limit else None
        return Page(
            items=[slice_view(one) for one in found],
            next=cursor_of(place_of_slice(last)) if last else "",
        )

    def slice(self, dataset: str, digest: str, caller: Signed) -> SliceView:
        """A slice."""
        return slice_view(slice_seen(self._platform, caller, dataset, digest))

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


def _roles(caller: Caller, names: list[str]) -> dict[str, Role]:
    """What the caller is on each of these data sets, where they see it."""
    return {name: role for name in names if (role := caller.role_on(name)) is not None}


def _views(connection: Connection, roles: dict[str, Role]) -> list[DatasetView]:
    names = list(roles)
    classes, counts = slices.classes_of_each(connection, names), slices.counts_of_each(connection, names)
    return [
        DatasetView(name=name, classes=classes[name], slices=counts[name], role=role)
        for name, role in roles.items()
    ]


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


def slice_view(one: Slice) -> SliceView:
    """A slice as it is told of."""
    return SliceView.model_validate(one, from_attributes=True)
