"""The client: one attribute for each kind of thing that the API serves, with one method for each of its operations."""

from __future__ import annotations

from types import TracebackType

from maskloom.services.client.data import Datasets, Pictures
from maskloom.services.client.models import Models
from maskloom.services.client.people import Accounts, Audit, Session, Tokens
from maskloom.services.client.reviews import Reviews
from maskloom.services.client.runs import Comparisons, Recipes, Runs
from maskloom.services.client.transfers import Exports, Imports, Jobs, Uploads
from maskloom.services.client.transport import PATIENCE_S, Transport


class Client:
    """Asks the maskloom at `url`, in the name of who made `token`; without one, sign in with `client.session.sign_in`.

    A request that is lost on its way is sent again for `patience_s`, and is done once all the same; an upload is not. What is
    refused raises what maskloom raises itself: UnknownName, NotAllowed, NotSignedIn, SettingsError and others of
    `MaskloomError`, with a message and a hint; ServiceUnavailable when nobody answers. For one thread; `close`, or use it as
    a context.
    """

    def __init__(self, url: str, token: str | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self._transport = Transport(url, token, patience_s)
        self.session = Session(self._transport)
        self.tokens = Tokens(self._transport)
        self.accounts = Accounts(self._transport)
        self.audit = Audit(self._transport)
        self.datasets = Datasets(self._transport)
        self.pictures = Pictures(self._transport)
        self.recipes = Recipes(self._transport)
        self.runs = Runs(self._transport)
        self.comparisons = Comparisons(self._transport)
        self.models = Models(self._transport)
        self.reviews = Reviews(self._transport)
        self.uploads = Uploads(self._transport)
        self.imports = Imports(self._transport)
        self.exports = Exports(self._transport)
        self.jobs = Jobs(self._transport)

    def close(self) -> None:
        """Close its connections. The session, where there is one, goes on until `session.sign_out`."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
