"""The calls that maskloom makes to Label Studio.

Projects and storages go through the SDK's methods. Tasks and predictions are sent and read as plain JSON over the SDK's
connection: its models would walk through each byte of each mask, and refuse answers that are to be set aside one by one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, SecretStr

from maskloom.platform.errors import ToolUnavailable
from maskloom.services.bridge.label_studio.callbacks import ACTIONS, Callbacks
from maskloom.services.bridge.label_studio.connection import Connection

Json = dict[str, Any]
_PAGE = 100
_LISTINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Tasks as JSON, and the server's own time when it began to list them (None: it did not say)."""

    tasks: list[Json]
    asked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some tasks with their predictions, ready to be sent: `body` is their JSON."""

    body: bytes
    tasks: int
    predictions: int

    @classmethod
    def of(cls, tasks: Sequence[Json]) -> Portion:
        predictions = sum(len(task["predictions"]) for task in tasks)
        return cls(body=json.dumps(tasks).encode(), tasks=len(tasks), predictions=predictions)


class _Version(BaseModel):
    release: str


class _Page(BaseModel):
    total: int
    tasks: list[Json]


class _Imported(BaseModel):
    task_count: int = 0
    prediction_count: int = 0
    created: int = 0


class Client(Connection):
    """A Label Studio. Every method raises ToolUnavailable or SettingsError, and nothing else."""

    def release(self) -> str:
        """Its version, as in "1.23.2". That takes a token that is good."""
        self.send("GET", "/api/current-user/whoami", "log in")
        answer = self.send("GET", "/api/version", "ask for the version")
        with self.errors("ask for the version"):
            return _Version.model_validate_json(answer.content).release

    def find_project(self, title: str) -> Json | None:
        """The project of exactly that title; the oldest, if there are several."""
        with self.errors("look for a project"):
            found = [project for project in self.sdk.projects.list(title=title) if project.title == title]
        return min(
            (project.dict() for project in found), key=lambda project: int(project["id"]), default=None
        )

    def create_project(self, **fields: Any) -> Json:
        with self.errors("create a project"):
            made: Json = self.sdk.projects.create(**fields).dict()
        return made

    def update_project(self, project: int, **fields: Any) -> None:
        with self.errors("change a project"):
            self.sdk.projects.update(project, **fields)

    def keep_s3_storage(self, project: int, storage: Json, *, key: SecretStr, secret: SecretStr) -> None:
        """Lets a project read images from a bucket: one storage for each bucket and prefix, with these credentials."""
        credentials = {
            "aws_access_key_id": key.get_secret_value(),
            "aws_secret_access_key": secret.get_secret_value(),
        }
        with self.errors("set up the storage of images", silent=True):
            storages = self.sdk.import_storage.s3
            for made in storages.list(project=project):
                if (made.bucket, made.prefix or "") == (storage["bucket"], storage["prefix"]):
                    storages.update(made.id, project=project, **storage, **credentials)
                    return
            storages.create(project=project, **storage, **credentials)

    def keep_callbacks(self, project: int, run: str, callbacks: Callbacks) -> None:
        """Has Label Studio call the bridge about a project: one webhook and one ML backend, at the bridge's present address."""
        hook = {
            "url": callbacks.webhook,
            "headers": {callbacks.header: callbacks.secret.get_secret_value()},
            "send_payload": False,  # it is only a hint, and a reader waits until it is sent
            "send_for_all_actions": False,
            "actions": list(ACTIONS),
            "is_active": True,
        }
        backend = {
            "url": callbacks.backend(run),
            "title": "maskloom",
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": callbacks.user,
            "basic_auth_pass": callbacks.password.get_secret_value(),
        }
        with self.errors("set up the callbacks", silent=True):
            backends = [made for made in self.sdk.ml.list(project=project) if made.title == backend["title"]]
            if not any(made.url == backend["url"] for made in backends):
                for made in backends:
                    self.sdk.ml.delete(made.id)
                self.sdk.ml.create(project=project, **backend)
            # With a backend, Label Studio makes a webhook of its own: all tasks go there whenever some are imported.
            own = f"/ml/{run}/webhook"
            hooks = self.sdk.webhooks.list(project=project)
            for made in hooks:
                if made.url.endswith(own) or (callbacks.header in made.headers and made.url != hook["url"]):
                    self.sdk.webhooks.delete(made.id)
            if not any(made.url == hook["url"] for made in hooks):
                self.sdk.webhooks.create(project=project, **hook)

    def import_tasks(self, project: int, portion: Portion) -> None:
        """Adds tasks with their predictions: all of them or none."""
        done = self.send("POST", f"/api/projects/{project}/import", "import tasks", portion.body)
        with self.errors("import tasks"):
            counts = _Imported.model_validate_json(done.content)
        _all_taken(counts.task_count, portion.tasks)
        _all_taken(counts.prediction_count, portion.predictions)

    def import_predictions(self, project: int, predictions: Sequence[Json]) -> None:
        """Adds predictions to tasks, whose ids they name as `task`."""
        path = f"/api/projects/{project}/import/predictions"
        done = self.send("POST", path, "import predictions", predictions)
        with self.errors("import predictions"):
            counts = _Imported.model_validate_json(done.content)
        _all_taken(counts.created, len(predictions))

    def annotate(self, task: int, annotation: Json) -> None:
        """Submits an annotation (`result`, `lead_time` in seconds), as the editor does."""
        self.send("POST", f"/api/tasks/{task}/annotations/", "submit an annotation", annotation)

    def delete_version(self, project: int, version: str) -> None:
        """Deletes all predictions of a version. Annotations stay."""
        path = f"/api/projects/{project}/model-versions/"
        self.send("DELETE", path, "delete predictions", {"model_version": version})

    def delete_prediction(self, prediction: int) -> None:
        self.send("DELETE", f"/api/predictions/{prediction}/", "delete a prediction")

    def update_data(self, task: int, data: Json) -> None:
        self.send("PATCH", f"/api/tasks/{task}/", "change a task", {"data": data})

    def delete_tasks(self, project: int, tasks: Sequence[int]) -> None:
        path = f"/api/dm/actions?id=delete_tasks&project={project}"
        selected = {"all": False, "included": list(tasks)}
        self.send("POST", path, "delete tasks", {"selectedItems": selected})

    def tasks(self, project: int, *, since: datetime | None = None) -> Listing:
        """All tasks of a project with all they hold, the last changed first; those that changed after `since`.

        What changes while it is listed moves to the front: then it may be in the list as it was before, or not at all,
        but nothing else is missing.
        """
        for _ in range(_LISTINGS):
            found: dict[int, Json] = {}
            asked_at, total, page = None, 1, 0
            while page * _PAGE < total:
                page += 1
                answer, time = self._page(project, page, since)
                asked_at, total = asked_at or time, answer.total
                found |= {task["id"]: task for task in answer.tasks if task["id"] not in found}
            if len(found) >= total:
                return Listing(tasks=list(found.values()), asked_at=asked_at)
        # Tasks deleted meanwhile made others move to pages that had been read.
        raise ToolUnavailable(
            "Label Studio's tasks are being deleted while they are listed", hint="Try again."
        )

    def _page(self, project: int, page: int, since: datetime | None) -> tuple[_Page, datetime | None]:
        newer = {"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime"}
        query: Json = {"ordering": ["-tasks:updated_at"]}
        if since is not None:
            value = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            query["filters"] = {"conjunction": "and", "items": [newer | {"value": value}]}
        answer = self.send(
            "GET",
            "/api/tasks/",
            "list tasks",
            project=project,
            page=page,
            page_size=_PAGE,
            fields="all",
            resolve_uri="false",
            query=json.dumps(query),
        )
        with self.errors("list tasks"):
            date = answer.headers.get("date")
            return _Page.model_validate_json(answer.content), parsedate_to_datetime(date) if date else None


def _all_taken(taken: int, given: int) -> None:
    """What Label Studio does not like it leaves out, and only writes that into its log."""
    if taken != given:
        raise ToolUnavailable(
            f"Label Studio took {taken} of {given} tasks or masks",
            hint="See its log. Predictions that something else than maskloom made may be the cause: delete those.",
        )
