"""Nothing that a reader does is lost, and nothing else enters: what is done to a review, and what came of it."""

from __future__ import annotations

import base64
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import httpx
import numpy as np

from faults.garbage import HUGE, Fate, Garbage, garbage, huge
from faults.receiver import Mode
from faults.review_scene import Scene, drawn
from maskloom.pipelines.review.summary import summary
from maskloom.services.bridge import keys
from maskloom.services.bridge.server.backend import USER
from maskloom.services.bridge.server.webhook import HEADER

_SHARES = 8
_LATE = 10
"""So many webhooks, at most, are late by 2 s each."""
_BLOCK = 5
"""Webhooks are switched off and on again after so many annotations."""
_A_GOOD_ONE_EVERY = 10
_MODES = (Mode.DOWN, Mode.SLOW, Mode.ERROR, Mode.TWICE, Mode.REORDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """Garbage of one kind: how much was sent and refused by Label Studio, and how much of the rest met its fate."""

    kind: str
    fate: Fate
    sent: int
    refused: int
    met: int


def submit_through_faults(scene: Scene, slices: Sequence[str], seed: int) -> dict[str, list[float]]:
    """Have the reader answer `slices` in order while one fault after the other goes on.

    Returns the seconds that Label Studio took for each Submit, by what went on.
    """
    generator = random.Random(seed)
    share = len(slices) // _SHARES
    coming = iter(slices)
    seconds: dict[str, list[float]] = defaultdict(list)

    def read(during: str, count: int) -> None:
        for slice_ in islice(coming, count):
            _answer(scene, slice_)
            seconds[during].append(scene.submitted[-1].seconds)

    for _ in range(share // _BLOCK):
        scene.call_back(active=False)
        read("webhooks switched off", _BLOCK)
        scene.call_back(active=True)
        read("webhooks answered by maskloom", _BLOCK)
    for mode in _MODES:
        with scene.receiver.treating(mode):
            read(f"webhooks {mode}", min(share, _LATE) if mode is Mode.SLOW else share)
    for _ in range(2):
        with _killing(scene.kill_label_studio, generator):
            read("Label Studio killed twice", share // 2)
        scene.start_label_studio()
    for _ in range(2):
        with _killing(scene.kill_bridge, generator):
            read("maskloom killed twice", share // 4)
        read("maskloom killed twice", share // 4)
        scene.start_bridge()
    read("nothing", len(slices))
    return seconds


def edit_some(scene: Scene, count: int) -> None:
    """Have the reader change the first masks that were taken in."""
    scene.wait_for(lambda: len(scene.answers()) >= len(scene.submitted))
    drawn_before = [made.slice for made in scene.submitted if made.mask is not None]
    for number, slice_ in enumerate(drawn_before[:count]):
        scene.edit(slice_, drawn(1000 + number))


def problems_of(scene: Scene) -> list[str]:
    """What was not taken in once, in order and as it was made; waits until the bridge has had its time."""
    scene.wait_for(lambda: len(scene.answers()) >= len(scene.submitted))
    answers = scene.answers()
    found = []
    if len(answers) != len(scene.submitted):
        found.append(f"{len(scene.submitted)} answers were made, and {len(answers)} taken in")
    if [answer.slice for answer in answers] != [made.slice for made in scene.submitted]:
        found.append("the answers were not taken in in the order in which they were made")
    newest = {answer.slice: answer for answer in answers}
    for slice_, made in {made.slice: made for made in scene.submitted}.items():
        given = scene.mask_of(newest[slice_]) if slice_ in newest else None
        same = given is None if made.mask is None else given is not None and np.array_equal(given, made.mask)
        if slice_ not in newest or not same:
            found.append(f"the answer on {slice_} is not the one that was made")
    return found


def feed(scene: Scene, slices: Sequence[str], good: Sequence[str], seed: int) -> list[Fed]:
    """Make an annotation of garbage on each of `slices`, and now and then one as it should be on one of `good`.

    Raises AssertionError where garbage became anything but what it should.
    """
    before = len(scene.answers())
    well = iter(good)
    kinds: dict[str, Fate] = {}
    sent, refused = Counter[str](), Counter[str]()
    taken: dict[int, Garbage] = {}
    for number, (slice_, made) in enumerate(zip(slices, _spoilt(len(slices), seed), strict=True)):
        answer = scene.post(slice_, made.content)
        kinds[made.kind] = made.fate
        sent[made.kind] += 1
        if answer.is_success:
            taken[int(answer.json()["id"])] = made
        else:
            refused[made.kind] += 1
        for well_made in islice(well, number % _A_GOOD_ONE_EVERY == 0):
            scene.submit(well_made, drawn(number))
    scene.wait_for(lambda: set(taken) <= {*_aside(scene), *_entered(scene, before)})
    aside, entered = _aside(scene), _entered(scene, before)
    for number, made in taken.items():
        fate = Fate.ASIDE if number in aside else entered[number]
        assert fate == made.fate, f"{made.kind}: {made.content[:200]!r} became {fate}"
    met = Counter(made.kind for made in taken.values())
    return [
        Fed(kind=kind, fate=fate, sent=sent[kind], refused=refused[kind], met=met[kind])
        for kind, fate in kinds.items()
    ]


def knock(scene: Scene) -> dict[str, int | str]:
    """Ask the bridge for what it must refuse, without secrets or with far too much; the answers' status."""
    bridge = f"http://{scene.settings.bridge_listen}"
    shared = keys.load(scene.settings.home).shared.get_secret_value()
    login = "Basic " + base64.b64encode(f"{USER}:{shared}".encode()).decode()
    predict = f"{bridge}/ml/{scene.run.id}/predict"
    asked = {
        "a webhook without the secret": (f"{bridge}/webhook", {}, b"{}"),
        "a webhook with another secret": (f"{bridge}/webhook", {HEADER: "0" * 64}, b"{}"),
        "a webhook of 100 MB": (f"{bridge}/webhook", {HEADER: shared}, bytes(HUGE)),
        "a webhook that is no JSON": (f"{bridge}/webhook", {HEADER: shared}, b"\xff{"),
        "a prediction without the password": (predict, {}, b"{}"),
        "a prediction for 100 MB": (predict, {"Authorization": login}, bytes(HUGE)),
        "a prediction for no JSON": (predict, {"Authorization": login}, b"\xff{"),
    }
    return {name: _status(*request) for name, request in asked.items()}


def _status(url: str, headers: dict[str, str], body: bytes) -> int | str:
    try:
        return httpx.post(url, headers=headers, content=body, timeout=60, trust_env=False).status_code
    except httpx.TransportError:
        return "hung up"  # on who goes on sending


def _answer(scene: Scene, slice_: str) -> None:
    """Of ten one is rejected, three are drawn anew and the rest accepted."""
    number = len(scene.submitted)
    if number % 10 == 0:
        scene.submit(slice_, None)
    elif number % 10 < 4:
        scene.submit(slice_, drawn(number))
    else:
        scene.submit(slice_, scene.shown(slice_))


@contextmanager
def _killing(kill: Callable[[], None], generator: random.Random) -> Iterator[None]:
    """Soon after the beginning it is killed, whatever it is doing."""
    timer = threading.Timer(generator.uniform(0.2, 0.7), kill)
    timer.start()
    yield
    timer.join()


def _spoilt(count: int, seed: int) -> Iterator[Garbage]:
    yield from garbage(count - 1, seed)
    yield huge()


def _aside(scene: Scene) -> set[int]:
    """The annotations that were set aside."""
    return {int(thing.source.split("/")[-1]) for thing in summary(scene.ward.platform, scene.run).set_aside}


def _entered(scene: Scene, before: int) -> dict[int, Fate | str]:
    """What has become of the annotations that were taken in after the first `before`."""
    found: dict[int, Fate | str] = {}
    for answer in scene.answers()[before:]:
        mask = scene.mask_of(answer)
        if mask is None:
            fate: Fate | str = Fate.REJECTION
        else:
            fate = "a mask" if mask.any() else Fate.EMPTY
        found[int(answer.source.split("/")[-1])] = fate
    return found
