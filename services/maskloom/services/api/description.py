"""The API's own description (OpenAPI): what FastAPI makes of the routes, and what follows for each from its form.

Every operation has a summary, the first line of what its function says of itself; an id that is the name of the client's
method, `GROUP_METHOD`; and just those answers that it can give. What besides is particular to one, its route declares.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.routing import APIRoute

from maskloom.services.api.once import HEADER
from maskloom.services.api.problems import MEDIA_TYPE
from maskloom.services.api.views import Problem

ABOUT = (
    "Whoever asks signs in with `POST /api/v1/session`, and sends the cookie that it sets and with each change the header "
    "`X-CSRF-Token`; or they send a token as `Authorization: Bearer TOKEN`. What is no success is a problem "
    "(application/problem+json), with what was wrong in `detail` and what to do in `hint`."
)
TAGS = [
    {"name": "session", "description": "Coming in with a password, and who you are."},
    {
        "name": "tokens",
        "description": "Your programs' ways in. What they may do is never more than what you may.",
    },
    {"name": "accounts", "description": "Who may come in, and their roles on data sets: for admins."},
    {"name": "audit", "description": "Who did what, when, and from where: for admins."},
    {"name": "data sets", "description": "Slices, the masks that they have or had, and what was set aside."},
    {"name": "pictures", "description": "Slices and masks as PNG."},
    {"name": "uploads", "description": "Slices and masks that are sent."},
    {"name": "imports", "description": "Slices and masks from buckets that the administrator allowed."},
    {"name": "exports", "description": "Slices and masks of a run, packed to be taken out."},
    {
        "name": "jobs",
        "description": "Uploads, imports and exports while they are worked at, and what came of them.",
    },
    {"name": "recipes", "description": "What can be run."},
    {"name": "runs", "description": "Runs: started, stopped, looked at and followed."},
    {"name": "comparisons", "description": "Where the masks of two runs differ."},
    {
        "name": "reviews",
        "description": "What readers are to look at, how far they are, and how well they agree.",
    },
    {
        "name": "models",
        "description": "Networks with names, and which of them is the champion of a data set.",
    },
    {"name": "health", "description": "For who watches over this maskloom."},
]
_PATH_PARTS = {
    "account": ("An account's name.", "ada"),
    "dataset": ("A data set's name.", "covid"),
    "digest": ("The whole digest of a slice.", "9f2c" * 16),
    "job": ("A job's id.", "0123456789abcdef"),
    "label": ("The whole digest of a label.", "4b1d" * 16),
    "model": ("A model's name.", "lung-2026-07"),
    "review": ("A review's whole id.", "5e8a" * 16),
    "run": ("A run's whole id.", "3f9c2a71b0de"),
    "token": ("A token's id.", "0123456789abcdef"),
}
"""What the parts of paths are, which have the same names everywhere, and an example of each."""
_PROBLEMS = {
    400: "The request has NUL characters or halves of characters, or is no HTTP that can be read.",
    401: "You are not signed in, or no longer.",
    403: "You may not do that, or the header X-CSRF-Token is missing.",
    404: "There is no such thing, or you do not see it.",
    408: "The request took too long to come.",
    409: "The same request is being worked at, or was done and its answer had a secret; or something is in the way.",
    413: "The request is too long.",
    422: "The request cannot be used as it is.",
    429: "Too many tries were refused: wait as long as Retry-After says.",
    503: "Something that maskloom needs does not answer: try again in a while.",
}


def operation_id(route: APIRoute) -> str:
    """`GROUP_METHOD`, such as `runs_pause`."""
    group = str(route.tags[0]) if route.tags else "api"
    return f"{group}_{route.name}".replace(" ", "")


def described(document: dict[str, Any]) -> dict[str, Any]:
    """`document`, as FastAPI makes it, with all that follows from the form of each operation. It is changed in place."""
    schema = Problem.model_json_schema()
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    components = document["components"]
    components["schemas"]["Problem"] = schema
    components["responses"] = {
        _name(status): {"description": said, "content": content} for status, said in _PROBLEMS.items()
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _describe(operation, method)
    return document


def _describe(operation: dict[str, Any], method: str) -> None:
    first, _, rest = operation.pop("description", "").partition("\n\n")
    summary, _, more = first.partition(". ")
    operation["summary"] = summary.rstrip(".")
    said = "\n\n".join(part for part in (more, rest) if part)
    if said:
        operation["description"] = said
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path" and parameter["name"] in _PATH_PARTS:
            parameter["description"], example = _PATH_PARTS[parameter["name"]]
            parameter["schema"]["examples"] = [example]
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422")):  # FastAPI's own, in place of which we send problems
        del answers["422"]
    for status in _refusals(operation, method) | {int(status) for status in answers}:
        if status in _PROBLEMS and "content" not in answers.get(str(status), {}):
            answers[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    operation["responses"] = dict(sorted(answers.items()))


def _refusals(operation: dict[str, Any], method: str) -> set[int]:
    """The answers besides success that an operation can give because of its form."""
    places = {(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", [])}
    found = {400}
    if operation.get("security"):
        found |= {401, 429, 503}
    if operation.get("security") and method != "get":
        found.add(403)
    if any(place == "path" for place, _ in places):
        found.add(404)
    if any(place != "path" for place, _ in places):
        found.add(422)
    if "requestBody" in operation:
        found |= {408, 413, 422, 503}
    if ("header", HEADER) in places:
        found.add(409)
    return found


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")
