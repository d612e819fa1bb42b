"""Slices and masks as pictures. A browser keeps them, and asks each time whether it may still show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from maskloom.platform.account_facts import Role
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import labels
from maskloom.platform.errors import SettingsError, UnknownName
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.imaging import rendering
from maskloom.platform.imaging.rendering import MaskStyle, Tint, Window
from maskloom.services.api.datasets import slice_seen
from maskloom.services.api.gate import Signed

_DRAWN_AS = 1
"""Another number when the same arguments come to give other pixels: browsers then ask anew."""
_PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "A PNG"},
    304: {"description": "The picture that the caller has"},
}
Size = Annotated[
    int | None,
    Query(
        ge=rendering.SMALLEST,
        le=rendering.LARGEST,
        description="Pixels of the longer side, at most.",
        examples=[512],
    ),
]
Known = Annotated[
    str,
    Header(alias="If-None-Match", description="The ETag of the picture that you have.", examples=['"9f2c"']),
]


class Pictures:
    """Answers GET /datasets/DATASET/slices/DIGEST/picture and GET /datasets/DATASET/labels/LABEL/picture."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/datasets/{dataset}", tags=["pictures"], responses=_PNG)
        options: Any = {"methods": ["GET"], "response_class": Response}
        router.add_api_route("/slices/{digest}/picture", self.slice, **options)
        router.add_api_route("/labels/{label}/picture", self.label, **options)
        return router

    def slice(
        self,
        dataset: str,
        digest: str,
        caller: Signed,
        level: Annotated[
            float | None, Query(description="The middle of the window.", examples=[-600])
        ] = None,
        width: Annotated[float | None, Query(description="How wide the window is.", examples=[1500])] = None,
        size: Size = None,
        known: Known = "",
    ) -> Response:
        """A slice as a picture.

        With a window in its own unit (HU for CT that says so), or else as networks see it.
        """
        found = slice_seen(self._platform, caller, dataset, digest)
        if (level is None) != (width is None):
            raise SettingsError("a window has a level and a width", hint="Give both, or neither.")
        window = None if level is None or width is None else Window(level=level, width=width)
        return self._answer(
            [digest, level, width, size, found.intensity],
            known,
            lambda: rendering.slice_picture(
                self._platform.objects.get(digest), window=window, intensity=found.intensity, size=size
            ),
        )

    def label(
        self,
        dataset: str,
        label: str,
        caller: Signed,
        style: Annotated[MaskStyle, Query(description="How it is drawn.")] = MaskStyle.FILLED,
        tint: Annotated[
            Tint | None, Query(description="A colour in place of its kind's, where two lie over a slice.")
        ] = None,
        size: Size = None,
        known: Known = "",
    ) -> Response:
        """A mask as a picture.

        It is transparent where it has no lesion, to lie over its slice.
        """
        caller.must_be(Role.VIEWER, dataset)
        found = self._platform.database.transaction(
            lambda c: labels.shown(c, dataset, label, caller.reads_as(dataset))
        )
        if found is None:
            raise UnknownName(
                f"data set {dataset!r} has no label {label[:64]!r}",
                hint="Labels are named by their whole digest.",
            )
        colour = rendering.TINTS[tint] if tint else rendering.COLOURS[found.kind]
        return self._answer(
            [found.mask, style, size, colour],
            known,
            lambda: rendering.mask_picture(
                self._platform.objects.get(found.mask), style=style, colour=colour, size=size
            ),
        )

    def _answer(self, content: list[Any], known: str, draw: Callable[[], bytes]) -> Response:
        tag = f'"{fingerprint([_DRAWN_AS, *content])[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in known:
            return Response(status_code=304, headers=headers)
        return Response(draw(), headers=headers, media_type="image/png")
