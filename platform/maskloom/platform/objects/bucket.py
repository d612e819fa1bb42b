"""One S3 bucket through the `minio` SDK, with patience for passing faults and typed errors for lasting ones.

`s3.py` keeps blobs in it, `sources.py` reads images for ingest from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import minio
import tenacity
import urllib3
from minio.credentials import EnvAWSProvider
from minio.error import InvalidResponseError, S3Error, ServerError
from minio.helpers import check_bucket_name

from maskloom.platform.errors import ObjectStoreUnavailable, SettingsError
from maskloom.platform.objects.digests import PART_BYTES

T = TypeVar("T")

THREADS = 16  # requests at the same time from one process
PATIENCE_S = (
    20.0  # a server that restarts is back by then; a longer outage ends the command, which can be resumed
)
_CONNECT_S, _READ_S = 5.0, 60.0
_SECRETS_HELP = "Take them out of the URL and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead."
_URL_HELP = (
    "Write s3://bucket/prefix?endpoint=host:port, and if needed &region=... and &secure=false (plain http)."
)
_TRANSIENT_CODES = {
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
}
_REFUSED_CODES = {
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
_MISSING_CODES = {"NoSuchKey", "NoSuchObject"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """What an `s3://` URL says. `prefix` is empty or ends in a slash."""

    bucket: str
    prefix: str
    endpoint: str
    region: str | None
    secure: bool

    @classmethod
    def parse(cls, url: str) -> BucketAddress:
        """Reads `s3://bucket/prefix?endpoint=host:port&region=...&secure=true|false`.

        The endpoint may also be written with http:// or https://, which then says whether it is secure.

        Raises:
            SettingsError: a part is missing, unknown or contradictory, or credentials stand in the URL.
        """
        parts = urlsplit(url)
        if "@" in parts.netloc + parse_qs(parts.query).get("endpoint", [""])[-1]:
            raise SettingsError(
                "the s3:// URL holds credentials, which would end up in logs", hint=_SECRETS_HELP
            )
        shown = (
            f"s3://{parts.netloc}{parts.path}"  # no query in messages: somebody may have put a secret there
        )
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        unknown = sorted(query.keys() - {"endpoint", "region", "secure"})
        if unknown:
            raise SettingsError(f"{shown} has unknown parameters: {', '.join(unknown)}", hint=_URL_HELP)
        if parts.scheme != "s3" or not parts.netloc or parts.fragment:
            raise SettingsError(f"{shown} is not the URL of an S3 bucket", hint=_URL_HELP)
        scheme, _, host = query.get("endpoint", "s3.amazonaws.com").rpartition("://")
        if scheme not in {"", "http", "https"}:
            raise SettingsError(f"{shown} has an endpoint that starts with {scheme}://", hint=_URL_HELP)
        secure = query.get("secure", "false" if scheme == "http" else "true")
        if secure not in {"true", "false"} or (scheme and secure != str(scheme == "https").lower()):
            raise SettingsError(f"{shown} says secure={secure} with {scheme or 'no scheme'}", hint=_URL_HELP)
        prefix = unquote(parts.path).strip("/")
        return cls(
            bucket=parts.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=host.rstrip("/"),
            region=query.get("region"),
            secure=secure == "true",
        )


class Bucket:
    """Objects below one prefix of one bucket. Keys are relative to the prefix. Safe to share between threads.

    Every method raises `ObjectStoreUnavailable` when the server has not answered for `patience_s` seconds,
    and `SettingsError` when it refuses the credentials or knows no such bucket.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self.url = url
        self._address = BucketAddress.parse(url)
        if not (os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY")):
            raise SettingsError(
                f"there are no credentials for {url}",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.",
            )
        self._patience_s = patience_s
        try:
            check_bucket_name(self._address.bucket)
            self._client = minio.Minio(
                self._address.endpoint,
                secure=self._address.secure,
                region=self._address.region,
                credentials=EnvAWSProvider(),
                http_client=urllib3.PoolManager(
                    maxsize=THREADS, timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S), retries=False
                ),
            )
        except ValueError as error:
            raise SettingsError(f"not a usable S3 URL: {url} ({error})", hint=_URL_HELP) from error

    def create(self, key: str, data: bytes) -> None:
        """Writes an object in one request, unless there is one under that key already."""

        def write() -> None:
            try:
                # put_object() has no argument for If-None-Match and splits the blob into parts of 5 MB.
                self._client._put_object(self._address.bucket, self._key(key), data, {"If-None-Match": "*"})
            except S3Error as error:
                if error.code != "PreconditionFailed":
                    raise

        self._patiently("write", write)

    def send(self, key: str, path: Path) -> None:
        """Writes a file of any size as an object, in several requests where it is large."""
        self._patiently(
            "write", lambda: self._client.fput_object(self._address.bucket, self._key(key), str(path))
        )

    def parts(self, key: str) -> Iterator[bytes] | None:
        """An object's bytes in portions, or None when there is none under that key.

        A server that falls silent between two of them is not waited for.
        """

        def ask() -> urllib3.BaseHTTPResponse:
            response: urllib3.BaseHTTPResponse = self._client.get_object(self._address.bucket, self._key(key))
            return response

        response = self._patiently("read", lambda: _unless_missing(ask))
        return None if response is None else self._portions(response)

    def _portions(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from response.stream(PART_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise self._typed("read", error) from error
        finally:
            response.close()
            response.release_conn()

    def read(self, key: str) -> bytes | None:
        """An object's bytes, or None when there is none under that key."""

        def fetch() -> bytes:
            response = self._client.get_object(self._address.bucket, self._key(key))
            try:
                data: bytes = response.read()
            finally:
                response.release_conn()
            return data

        return self._patiently("read", lambda: _unless_missing(fetch))

    def has(self, key: str) -> bool:
        """Whether there is an object under that key."""
        found = self._patiently(
            "look into",
            lambda: _unless_missing(lambda: self._client.stat_object(self._address.bucket, self._key(key))),
        )
        return found is not None

    def delete(self, key: str) -> None:
        """Removes an object; removing one that is not there is no error."""
        self._patiently(
            "delete from", lambda: self._client.remove_object(self._address.bucket, self._key(key))
        )

    def all_keys(self) -> list[str]:
        """All keys below the prefix, sorted."""
        prefix = self._address.prefix

        def listing() -> list[str]:
            found = self._client.list_objects(self._address.bucket, prefix=prefix, recursive=True)
            return sorted(item.object_name.removeprefix(prefix) for item in found if not item.is_dir)

        return self._patiently("list", listing)

    def _key(self, key: str) -> str:
        return self._address.prefix + key

    def _patiently(self, verb: str, action: Callable[[], T]) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=3.0),
            stop=tenacity.stop_after_delay(self._patience_s),
            reraise=True,
        )
        try:
            return retrying(action)
        except (urllib3.exceptions.HTTPError, minio.error.MinioException) as error:
            raise self._typed(verb, error) from error

    def _typed(self, verb: str, error: Exception) -> SettingsError | ObjectStoreUnavailable:
        message = f"cannot {verb} {self.url}: {_reason(error)}"
        if isinstance(error, urllib3.exceptions.SSLError):
            return SettingsError(
                message, hint="Check the certificate, or add &secure=false for a server without TLS."
            )
        code = error.code if isinstance(error, S3Error) else None
        if code == "NoSuchBucket":
            return SettingsError(
                message, hint=f"Create the bucket {self._address.bucket}, or correct its name."
            )
        if code in _REFUSED_CODES:
            return SettingsError(
                message,
                hint="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do in this bucket.",
            )
        return ObjectStoreUnavailable(
            message,
            hint=f"Check that the server at {self._address.endpoint} runs and has room, then run the command "
            "again: it goes on where it stopped.",
        )


def _unless_missing(action: Callable[[], T]) -> T | None:
    try:
        return action()
    except S3Error as error:
        if error.code in _MISSING_CODES:
            return None
        raise


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, S3Error):
        return error.code in _TRANSIENT_CODES
    if isinstance(error, ServerError):
        return bool(error.status_code >= 500)
    if isinstance(error, InvalidResponseError):
        return bool(error._code >= 500)
    return isinstance(error, urllib3.exceptions.HTTPError) and not isinstance(
        error, urllib3.exceptions.SSLError
    )


def _reason(error: Exception) -> str:
    if isinstance(error, S3Error):
        return f"{error.code}: {error.message}"
    return str(error) or type(error).__name__
