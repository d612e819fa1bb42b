"""Where the runs are that commands tell of and ask something of: in the catalog of this machine, or at a maskloom that serves.

`--server URL` (or MASKLOOM_SERVER) chooses; commands see a `Place`, and print the same from both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

from maskloom.platform.errors import SettingsError

if TYPE_CHECKING:
    from maskloom.pipelines.review.summary import ReviewSummary
    from maskloom.platform.audit_facts import Broken, Entry, Head
    from maskloom.platform.model_facts import Model
    from maskloom.platform.run_facts import RunStatus, StepRecord
    from maskloom.services.api.model_views import ModelView
    from maskloom.services.api.views import RunRecord, StoryView
    from maskloom.services.client import Client

_chosen: ContextVar[str | None] = ContextVar("server", default=None)
_PATIENCE_S = 10.0
"""So long a server that does not answer is asked again before people are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A run at one moment. `driver`: which process drives it, in words; `note`: what that is doing."""

    status: RunStatus
    driver: str | None
    note: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InShort:
    """A run in a list of many. `dice`: on the test split, once that was measured."""

    id: str
    status: RunStatus
    rounds: int
    rounds_done: int
    dice: float | None


class Place(Protocol):
    """What commands know of runs and do to them. Runs are named by their whole ids, which `find` knows."""

    def find(self, prefix: str) -> str:
        """The id of the one run that starts so. Raises UnknownName."""

    def records(self) -> Iterable[RunRecord]:
        """All runs, newest first."""

    def record(self, run: str) -> RunRecord:
        """Everything that is known of a run."""

    def in_short(self, dataset: str) -> Iterable[InShort]:
        """The runs on a data set, newest first."""

    def dice_by_round(self, run: str) -> list[tuple[int, float]]:
        """(round, Dice on its last training batches) of the rounds that a run has done."""

    def glance(self, run: str) -> Glance:
        """How a run stands now."""

    def steps(self, run: str, since: datetime | None) -> list[StepRecord]:
        """The steps that a run has taken, in their order; with `since`, those that it took then or later."""

    def story(self, run: str, slice_name: str) -> StoryView:
        """The story of a slice's masks. Raises UnknownName."""

    def stop(self, run: str, kind: str) -> RunStatus:
        """Ask to pause or cancel a run (`kind` is `paused` or `cancelled`); how it stood before."""

    def review(self, run: str) -> ReviewSummary:
        """How the reviews of a run stand."""

    def datasets(self) -> list[str]:
        """The names of all data sets."""

    def models(self, dataset: str) -> list[dict[str, Any]]:
        """The models of a data set, newest first, as `model_records` has them."""

    def register(self, run: str, name: str) -> Model | ModelView:
        """Give the network of a run a name. Raises as `promoting.register` does, and so do those after it."""

    def promote(self, dataset: str, name: str, reason: str | None) -> Model | ModelView:
        """Make a model the champion."""

    def rollback(self, dataset: str, name: str, reason: str | None) -> Model | ModelView:
        """Give the champion `name` up for the one before it, which is returned."""

    def archive(self, dataset: str, name: str) -> Model | ModelView:
        """Put a model aside."""

    def verify(self, noted: Head) -> Head | Broken:
        """The head of the audit trail where all of it holds, else where it does not; `noted` must be in it."""

    def entries(self) -> Iterable[Entry]:
        """The audit trail, oldest entry first."""


def server() -> str | None:
    """The address of the maskloom that this command is to ask; None where it is about this machine's own."""
    return _chosen.get()


def choose(url: str | None) -> None:
    """Have this command ask the maskloom at `url`, or where that is None or empty this machine's own."""
    _chosen.set(url or None)


def here_alone(command: Callable[..., None], name: str) -> Callable[..., None]:
    """A command that works on the data themselves, and so where they are: with --server it says that."""

    @wraps(command)
    def refused_with_server(*arguments: Any, **options: Any) -> None:
        if server() is not None:
            raise SettingsError(
                f"`maskloom {name}` works where maskloom's data are, not through a server",
                hint="Run it on that machine, without --server and MASKLOOM_SERVER.",
            )
        command(*arguments, **options)

    return refused_with_server


@contextmanager
def opened() -> Iterator[Place]:
    """The place that this command is about."""
    url = server()
    if url is None:
        from maskloom.platform.bootstrap import open_platform
        from maskloom.services.cli.here import Here

        with open_platform() as platform:
            yield Here(platform)
    else:
        from maskloom.services.cli.there import There

        with connected(url) as client:
            yield There(client)


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """The client of the maskloom at `url`, by MASKLOOM_TOKEN or the token that `maskloom login` has kept.

    Raises SettingsError where there is neither.
    """
    from maskloom.platform.settings import Settings
    from maskloom.services.cli.login import kept_token
    from maskloom.services.client import Client

    settings = Settings()
    token = settings.token.get_secret_value() if settings.token else kept_token(settings.home, url)
    if token is None:
        raise SettingsError(
            f"nothing says to {url} who you are",
            hint=f"Set MASKLOOM_TOKEN to a token that you made there, or keep one with `maskloom login {url}`.",
        )
    with Client(url, token, patience_s=_PATIENCE_S) as client:
        yield client
