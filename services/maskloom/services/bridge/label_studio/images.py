"""Where Label Studio gets a slice's image: from the bucket of the object store, or from an address that others serve."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from maskloom.platform.errors import SettingsError
from maskloom.platform.objects.digests import place_of
from maskloom.services.bridge.label_studio.client import Client
from maskloom.services.bridge.tool import Desk

if TYPE_CHECKING:
    from maskloom.platform.objects.bucket import BucketAddress


class Images(Protocol):
    """How a desk's images are reached."""

    def prepare(self, client: Client, project: int) -> None:
        """Does what a project needs before it can show images; again and again."""

    def address(self, desk: Desk, digest: str) -> str:
        """The address of a slice's image, for a task's data."""

    def is_current(self, address: str, desk: Desk, digest: str) -> bool:
        """Whether an address that was given out still leads to that image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Images that an HTTP server of somebody else's has, under addresses that may expire.

    It has to allow Label Studio's origin (`Access-Control-Allow-Origin`), and needs no cookies. `stale` says whether an
    address has expired, or soon will.
    """

    image_url: Callable[[Desk, str], str]
    stale: Callable[[str], bool] = lambda _: False

    def prepare(self, client: Client, project: int) -> None:
        """Nothing is needed."""

    def address(self, desk: Desk, digest: str) -> str:
        return self.image_url(desk, digest)

    def is_current(self, address: str, desk: Desk, digest: str) -> bool:
        return _place(address) == _place(self.address(desk, digest)) and not self.stale(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromBucket:
    """Images in the S3 bucket of the object store, which Label Studio reads itself and hands to its readers.

    Label Studio keeps the credentials. A key that may only read suffices.
    """

    bucket: BucketAddress
    key: SecretStr
    secret: SecretStr

    @classmethod
    def of(cls, url: str) -> FromBucket:
        """From the object store's URL, with the credentials in the environment.

        Raises:
            SettingsError: the URL cannot be used, or there are no credentials.
        """
        from maskloom.platform.objects.bucket import BucketAddress  # noqa: PLC0415 - slow to import, see objects/store.py

        key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not key or not secret:
            raise SettingsError(
                "there are no credentials with which Label Studio can read images from the bucket",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.",
            )
        return cls(bucket=BucketAddress.parse(url), key=SecretStr(key), secret=SecretStr(secret))

    def prepare(self, client: Client, project: int) -> None:
        """Gives the project a storage that reads the bucket."""
        storage = {
            "title": "maskloom's object store",
            "bucket": self.bucket.bucket,
            "prefix": self.bucket.prefix.rstrip("/"),
            "s3endpoint": f"{'https' if self.bucket.secure else 'http'}://{self.bucket.endpoint}",
            "region_name": self.bucket.region or "us-east-1",
            "use_blob_urls": True,
            "presign": False,  # readers get images from Label Studio: nothing expires, and the bucket needs no CORS
        }
        client.keep_s3_storage(project, storage, key=self.key, secret=self.secret)

    def address(self, desk: Desk, digest: str) -> str:
        return f"s3://{self.bucket.bucket}/{self.bucket.prefix}{place_of(digest)}"

    def is_current(self, address: str, desk: Desk, digest: str) -> bool:
        return address == self.address(desk, digest)


def _place(address: str) -> tuple[str, str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc, parts.path
