"""A connection to a Label Studio: its SDK and plain requests over it, with typed errors and a time limit on each."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from maskloom.platform.errors import MaskloomError, SettingsError, ToolUnavailable

if TYPE_CHECKING:
    import httpx

_CONNECT_S, _ANSWER_S = 5.0, 120.0
_SHOWN_CHARACTERS = 300
_ACCESS_HINT = (
    "Make a personal access token in Label Studio (Account & Settings) and set MASKLOOM_LABEL_STUDIO_TOKEN to it. "
    "Legacy tokens work only where the organization allows them."
)
_BANNED = "reserved network address"
"""In what Label Studio says when it is to call an address of a private network."""
_BANNED_HINT = (
    "Label Studio calls no addresses of private networks as it is. Start it with USE_DEFAULT_BANNED_SUBNETS=false and "
    "USER_ADDITIONAL_BANNED_SUBNETS=169.254.0.0/16 in its environment."
)
_URL_HINT = "Set MASKLOOM_LABEL_STUDIO_URL to the address of Label Studio, as in http://host:8080."


class Connection:
    """A Label Studio that is asked things. What goes wrong is a ToolUnavailable or a SettingsError, and nothing else."""

    def __init__(self, url: str, token: SecretStr) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise SettingsError("the address of Label Studio cannot be used", hint=_URL_HINT)
        self.url = url.rstrip("/")
        self._token = token

    def close(self) -> None:
        """Closes the connections."""
        if "_http" in vars(self):
            self._http.close()

    def send(self, method: str, path: str, what: str, body: Any = None, **parameters: Any) -> httpx.Response:
        """Sends `body` as JSON and returns the answer; `what` says for errors what is tried, as in "import tasks".

        A body of bytes is JSON already.
        """
        from label_studio_sdk.core.api_error import ApiError  # noqa: PLC0415 - as slow to import as the SDK

        with self.errors(what):
            # Personal access tokens are exchanged for ones that live for minutes: the SDK knows the current one.
            headers = self.sdk._client_wrapper.get_headers() | {"Content-Type": "application/json"}
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            response = self._http.request(
                method, self.url + path, headers=headers, content=content, params=parameters or None
            )
            if not response.is_success:
                raise ApiError(status_code=response.status_code, body=response.text)
            return response

    @cached_property
    def _http(self) -> httpx.Client:
        import httpx  # noqa: PLC0415 - not before it is needed, as the SDK

        timeout = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        return httpx.Client(timeout=timeout, trust_env=not _is_loopback(self.url))

    @cached_property
    def sdk(self) -> Any:
        """The SDK's client. What is asked of it belongs inside `errors`."""
        from label_studio_sdk import LabelStudio  # noqa: PLC0415 - takes more than a second

        # With the slash, the SDK finds the place that exchanges tokens also below a path. It must not repeat what it sends:
        # an import whose answer was lost would be there twice.
        return LabelStudio(
            base_url=f"{self.url}/",
            api_key=self._token.get_secret_value(),
            httpx_client=self._http,
            timeout=_ANSWER_S,
            max_retries=0,
        )

    @contextmanager
    def errors(self, what: str, *, silent: bool = False) -> Iterator[None]:
        """Turns what goes wrong into errors for people; `silent`: what the server says may hold secrets."""
        import httpx  # noqa: PLC0415 - as above
        from label_studio_sdk.core.api_error import ApiError  # noqa: PLC0415 - as above

        try:
            yield
        # Without their causes, which hold the request and with it the token.
        except ApiError as error:
            raise self._refused(error.status_code or 0, what, str(error.body), silent=silent) from None
        except httpx.HTTPError as error:
            raise ToolUnavailable(
                f"cannot {what}: Label Studio at {self.url} does not answer ({type(error).__name__})",
                hint="Start it (`maskloom review up` for one's own), or check MASKLOOM_LABEL_STUDIO_URL.",
            ) from None
        except (httpx.InvalidURL, ValueError) as error:
            raise SettingsError(
                f"cannot {what}: what answers at {self.url} is not Label Studio ({type(error).__name__})",
                hint=_URL_HINT,
            ) from None

    def _refused(self, status: int, what: str, body: str, *, silent: bool) -> MaskloomError:
        said = "" if silent else self._clean(body)
        message = f"cannot {what}: Label Studio at {self.url} answers {status}" + (
            f": {said}" if said else ""
        )
        if status in {401, 403}:
            return SettingsError(message, hint=_BANNED_HINT if _BANNED in body else _ACCESS_HINT)
        if status == 404:
            return SettingsError(
                message, hint=f"The project is gone, or this is no Label Studio. {_URL_HINT}"
            )
        if status >= 500:
            return ToolUnavailable(message, hint="Try again; if that does not help, see Label Studio's log.")
        return ToolUnavailable(message, hint="Is it a Label Studio of version 1.23?")

    def _clean(self, text: str) -> str:
        text = text.replace(self._token.get_secret_value(), "***")
        return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
