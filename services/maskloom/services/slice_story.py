"""The story of one slice in one run: what commands and the API say of its masks."""

from __future__ import annotations

import difflib

from maskloom.pipelines.history import story_of_slice
from maskloom.platform.bootstrap import Platform
from maskloom.platform.catalog import slices, steps
from maskloom.platform.errors import UnknownName
from maskloom.platform.facts import Slice
from maskloom.platform.run_facts import Run
from maskloom.services.api.views import MaskView, SliceView, StoryView
from maskloom.services.following import Following, parsed


def story(platform: Platform, run: Run, name: str) -> StoryView:
    """The story of the slice of that name, or digest. Raises UnknownName, with the nearest ones."""
    found = _find(platform, run, name)
    masks = story_of_slice(platform, run, found.digest)
    return StoryView(
        run=run.id,
        slice=SliceView.model_validate(found, from_attributes=True),
        masks=[MaskView.model_validate(mask, from_attributes=True) for mask in masks],
        networks=_networks(platform, run),
    )


def _find(platform: Platform, run: Run, name: str) -> Slice:
    found = platform.database.transaction(lambda c: slices.find(c, run.dataset, name))
    if len(found) == 1:
        return found[0]
    if found:
        digests = ", ".join(f"{one.digest[:12]} ({one.split})" for one in found)
        raise UnknownName(f"several slices are called {name!r}", hint=f"Name one by its digest: {digests}.")
    names = [one.name for one in platform.database.transaction(lambda c: slices.of_dataset(c, run.dataset))]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    raise UnknownName(
        f"data set {run.dataset!r} has no slice {name!r}",
        hint=f"Did you mean {' or '.join(near)}?"
        if near
        else "Name it as its file was called below the folder.",
    )


def _networks(platform: Platform, run: Run) -> dict[str, str]:
    """Which training made each checkpoint of the run, in words."""
    following = Following()
    networks = {}
    for record in platform.database.transaction(lambda c: steps.of_run(c, run.id)):
        if record.kind == "train":
            place = f" of round {record.round}" if record.round else ""
            networks[record.output["digest"]] = following.stage(record.kind, record.round) + place
        following.done(record.kind, record.round, parsed(record.kind, record.output), record.seconds)
    return networks
