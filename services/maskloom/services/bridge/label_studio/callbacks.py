"""What Label Studio is told to call: a webhook that hints at changes, and an ML backend for tasks without a mask."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Where the bridge is, and what Label Studio has to show there."""

    bridge: str
    """Such as http://127.0.0.1:8123."""
    header: str
    secret: SecretStr
    """What webhooks carry in `header`."""
    user: str
    password: SecretStr
    """Basic authentication of the ML backend."""

    @property
    def webhook(self) -> str:
        """Where webhooks go."""
        return f"{self.bridge}/webhook"

    def backend(self, run: str) -> str:
        """The ML backend of a run."""
        return f"{self.bridge}/ml/{run}"
