"""Annotations as no editor makes them: everything that Label Studio takes unchecked, and that must not become a mask."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from faults.review_scene import drawn, region
from maskloom.services.bridge import brush
from support.painted import SIZE

Json = dict[str, Any]
HUGE = 100 << 20


class Fate(StrEnum):
    """What has to become of it, where Label Studio takes it."""

    ASIDE = "set aside"
    REJECTION = "a rejection"
    EMPTY = "an empty mask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """The body of a request that makes an annotation."""

    kind: str
    content: bytes
    fate: Fate = Fate.ASIDE


def garbage(count: int, seed: int) -> Iterator[Garbage]:
    """So many, every kind in turn."""
    generator = random.Random(seed)
    kinds = list(_RESULTS.items())
    for number in range(count):
        place = number % (len(kinds) + 2)
        if place < len(kinds):
            kind, spoil = kinds[place]
            result = spoil(copy.deepcopy(region(drawn(number))), generator)
            body = json.dumps({"result": result, "lead_time": generator.choice([3.5, -1, 0, 1e300])})
            yield Garbage(kind=kind, content=body.encode())
        elif place == len(kinds):
            spoilt = _truncated(region(drawn(number)), generator)
            body = json.dumps({"result": spoilt, "was_cancelled": True})
            yield Garbage(kind="cancelled", content=body.encode(), fate=Fate.REJECTION)
        else:
            yield Garbage(kind="empty", content=b'{"result": []}', fate=Fate.EMPTY)


def huge() -> Garbage:
    """An annotation of 100 MB."""
    made = json.dumps({"result": region(drawn(1))}).encode()
    before, _, after = made.partition(b'"rle": [')
    return Garbage(kind="100 MB", content=before + b'"rle": [' + b"1," * (HUGE // 2) + after)


Spoil = Callable[[list[Json], random.Random], Any]


def _changed(**fields: Any) -> Spoil:
    return lambda result, _: [result[0] | fields]


def _value(**fields: Any) -> Spoil:
    return lambda result, _: [result[0] | {"value": result[0]["value"] | fields}]


def _truncated(result: list[Json], generator: random.Random) -> list[Json]:
    code = result[0]["value"]["rle"]
    result[0]["value"]["rle"] = code[: generator.randrange(len(code) - 2)]
    return result


def _scrambled(result: list[Json], generator: random.Random) -> list[Json]:
    result[0]["value"]["rle"] = [generator.randrange(256) for _ in range(generator.randrange(1, 3000))]
    return result


def _impossible(result: list[Json], generator: random.Random) -> list[Json]:
    strange = generator.choice([256, -1, 1.5, "7", None, [], {}, 10**30])
    result[0]["value"]["rle"][generator.randrange(len(result[0]["value"]["rle"]))] = strange
    return result


def _of_another_size(result: list[Json], generator: random.Random) -> list[Json]:
    larger = drawn(generator.randrange(2500)).repeat(generator.choice([2, 3]), axis=0)
    result[0]["value"]["rle"] = brush.encode(larger)
    return result


def _without(result: list[Json], generator: random.Random) -> list[Json]:
    del result[0][generator.choice(["type", "from_name", "to_name", "original_width", "value"])]
    return result


def _nested(result: list[Json], _: random.Random) -> Any:
    inner: Any = result
    for _depth in range(200):
        inner = [inner]
    return inner


_RESULTS: dict[str, Spoil] = {
    "another size said": _changed(original_width=2 * SIZE),
    "another size drawn": _of_another_size,
    "a size that is no number": lambda result, g: _changed(
        original_height=g.choice(["96", None, 96.0, [96], -96, True])
    )(result, g),
    "code cut off": _truncated,
    "code of random bytes": _scrambled,
    "code with impossible bytes": _impossible,
    "no list as code": lambda result, g: _value(rle=g.choice(["AAAA", {"0": 1}, None, 5]))(result, g),
    "a label that is not there": _value(brushlabels=["patient's name"]),
    "two labels": _value(brushlabels=["infection", "infection"]),
    "no label": lambda result, g: _value(brushlabels=g.choice([[], None, "infection", [7]]))(result, g),
    "another tool's name": _changed(from_name="brush"),
    "another image's name": _changed(to_name="mri"),
    "a rectangle": _changed(type="rectanglelabels"),
    "another format": _value(format="png"),
    "a turned image": _changed(image_rotation=90),
    "fields missing": _without,
    "regions that are none": lambda result, g: [g.choice([7, "region", None, [], True])],
    "too many regions": lambda result, _: result * 600,
    "nested lists": _nested,
    "no list of regions": lambda result, g: g.choice([{"result": result}, "result", 7, True]),
}
