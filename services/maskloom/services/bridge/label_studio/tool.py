"""Label Studio as an annotation tool: one project for each reader of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from maskloom.pipelines.review.readings import Changes, Reading, Unreadable
from maskloom.platform.errors import SettingsError
from maskloom.platform.fingerprint import fingerprint
from maskloom.platform.objects.store import ObjectStore
from maskloom.platform.settings import Settings
from maskloom.services.bridge.label_studio import config, server
from maskloom.services.bridge.label_studio.callbacks import Callbacks
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.label_studio.images import FromBucket, Images, Linked
from maskloom.services.bridge.label_studio.pushing import Push, newest
from maskloom.services.bridge.label_studio.readings import changed_at, reading_of
from maskloom.services.bridge.locks import alone
from maskloom.services.bridge.tool import Desk, Pushed, Task

_LONGEST_TITLE = 50
_OTHERS_S = 600.0
_SETTLED = timedelta(seconds=10)
"""A change may be seen this long after the time that it bears: it bears that of its request's beginning."""


class LabelStudio:
    """Implements `bridge.tool.AnnotationTool`.

    Pushes to one desk exclude each other by a lock in `locks`, so that no two processes of a machine make the same project
    or task. From several machines, whoever pushes has to hold the review; should two tasks of a slice have come about
    nevertheless, the next push removes the one that nobody touched, and of two projects the older one counts.
    """

    def __init__(
        self,
        client: Client,
        objects: ObjectStore,
        images: Images,
        *,
        locks: Path,
        callbacks: Callbacks | None = None,
    ) -> None:
        self._client = client
        self._objects = objects
        self._images = images
        self._locks = locks
        self._callbacks = callbacks

    @property
    def name(self) -> str:
        return f"label-studio {self._client.url}"

    def push(self, desk: Desk, tasks: Sequence[Task]) -> Pushed:
        lock = self._locks / f"label-studio-{fingerprint([self.name, desk.run, desk.reader])[:16]}"
        with alone(lock, patience_s=_OTHERS_S):
            project, is_new = self._open(desk, max((len(task.masks) for task in tasks), default=1))
            if not tasks:
                return Pushed(added=0, replaced=0, unchanged=0)
            push = Push(
                client=self._client,
                objects=self._objects,
                images=self._images,
                desk=desk,
                project=project,
                is_new=is_new,
                version=newest(tasks),
            )
            return push.run(tasks)

    def changes(self, desk: Desk, cursor: str | None) -> Changes:
        found = self._client.find_project(title_of(desk))
        if found is None:
            return Changes(readings=(), unreadable=(), cursor=cursor or "")
        since = datetime.fromisoformat(cursor) if cursor else None
        listing = self._client.tasks(found["id"], since=since)
        read = [reading_of(task, found["id"], desk.classes) for task in reversed(listing.tasks)]
        times = [time for task in listing.tasks if (time := changed_at(task)) is not None]
        return Changes(
            readings=tuple(each for each in read if isinstance(each, Reading)),
            unreadable=tuple(each for each in read if isinstance(each, Unreadable)),
            cursor=_cursor(since, max(times, default=since), listing.asked_at),
        )

    def where(self, desk: Desk) -> str:
        """The address of the desk's project, or of Label Studio before the first push. Raises as `push` does."""
        found = self._client.find_project(title_of(desk))
        return self._client.url if found is None else f"{self._client.url}/projects/{found['id']}"

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _open(self, desk: Desk, masks: int) -> tuple[int, bool]:
        """The project of a desk, set up as it has to be, and whether it had to be made."""
        title = title_of(desk)
        project = self._client.find_project(title)
        if project is None:
            number = int(self._client.create_project(title=title, **_setup(desk, masks))["id"])
        else:
            number = int(project["id"])
            setup = _setup(desk, max(masks, config.masks_of(project["label_config"] or "", desk.classes)))
            if any(project.get(field) != value for field, value in setup.items()):
                self._client.update_project(number, **setup)
        self._images.prepare(self._client, number)
        if self._callbacks is not None:
            self._client.keep_callbacks(number, desk.run, self._callbacks)
        return number, project is None


def open_label_studio(
    settings: Settings,
    objects: ObjectStore,
    *,
    image_url: Callable[[Desk, str], str] | None = None,
    stale: Callable[[str], bool] = lambda _: False,
    callbacks: Callbacks | None = None,
) -> LabelStudio | None:
    """The Label Studio that the settings name, or else the one that `maskloom review up` started, or else None.

    Args:
        settings: with the address and a token, or with the home of an own one.
        objects: holds images and masks. Label Studio reads the images of a bucket itself.
        image_url: gives a reader's address of a blob, for a store that is a folder.
        stale: whether such an address has expired, or soon will.
        callbacks: what Label Studio is told to call; nothing where it cannot reach this machine.

    Raises:
        SettingsError: an address without a token, or a folder without `image_url`.
    """
    client = client_of(settings)
    if client is None:
        return None
    images: Images
    if objects.url.startswith("s3://"):
        images = FromBucket.of(objects.url)
    elif image_url is not None:
        images = Linked(image_url=image_url, stale=stale)
    else:
        raise SettingsError(
            "that Label Studio is not on this machine, and cannot read images from a folder here",
            hint="Say with MASKLOOM_BRIDGE_LISTEN and MASKLOOM_BRIDGE_URL where it reaches this machine, or keep the "
            "objects in a bucket (MASKLOOM_OBJECTS_URL).",
        )
    return LabelStudio(client, objects, images, locks=settings.home / "locks", callbacks=callbacks)


def title_of(desk: Desk) -> str:
    """The title of a desk's project, by which it is found again: 3 to 50 characters."""
    title = f"maskloom {desk.run} · {desk.reader}"
    if len(title) <= _LONGEST_TITLE:
        return title
    told_apart = fingerprint([desk.run, desk.reader])[:10]
    return f"{title[: _LONGEST_TITLE - len(told_apart) - 1].rstrip()} {told_apart}"


def client_of(settings: Settings) -> Client | None:
    """A client of the Label Studio that the settings name, else of the home's own if it runs; None without one.

    Raises SettingsError for an address without a token.
    """
    if settings.label_studio_url is not None:
        if settings.label_studio_token is None:
            raise SettingsError(
                "MASKLOOM_LABEL_STUDIO_URL is set, but not MASKLOOM_LABEL_STUDIO_TOKEN",
                hint="Set it to a personal access token (Label Studio: Account & Settings).",
            )
        return Client(settings.label_studio_url, settings.label_studio_token)
    access = server.running(settings.home)
    return None if access is None else Client(access.url, access.token)


def _setup(desk: Desk, masks: int) -> dict[str, Any]:
    return {
        "label_config": config.labelling(desk.classes, masks),
        "expert_instruction": config.instruction(masks),
        "show_instruction": True,
        "show_skip_button": True,
        "skip_queue": "IGNORE_SKIPPED",  # what was skipped does not come back
        "enable_empty_annotation": True,  # a slice without lesion is an answer
        "show_collab_predictions": True,
        "sampling": "Uncertainty sampling",
        "maximum_annotations": 1,
    }


def _cursor(since: datetime | None, newest_change: datetime | None, asked_at: datetime | None) -> str:
    """From where to ask next time. It never goes beyond what has surely been seen, nor back."""
    if newest_change is None:
        return ""
    settled = (asked_at or newest_change) - _SETTLED
    reached = min(newest_change, settled)
    return (reached if since is None else max(since, reached)).isoformat()
