"""Where state lives and which services to use, read once from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    ByteSize,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from maskloom.platform.errors import SettingsError

_DRIVERS = {"postgresql", "postgresql+psycopg2"}
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LAST_PORT = 65535


class Settings(BaseSettings):
    """Each field is the environment variable MASKLOOM_<NAME>; without any of them everything is embedded."""

    model_config = SettingsConfigDict(env_prefix="MASKLOOM_", env_ignore_empty=True, frozen=True)

    home: Path = Field(default_factory=lambda: Path.home() / ".maskloom")
    """Folder of everything that maskloom keeps on this machine."""
    database_url: SecretStr | None = None
    """postgresql://user:password@host/database; without it an own PostgreSQL runs below `home`."""
    objects_url: str | None = None
    """file:///folder or s3://bucket/prefix?endpoint=http://host:port; without it a folder below `home`."""
    ray_address: str | None = None
    """host:port of a Ray cluster; without it Ray starts inside the process."""
    label_studio_url: str | None = None
    """http://host:port of a Label Studio for reviews; without it the one that `maskloom review up` started, or else folders."""
    label_studio_token: SecretStr | None = None
    """A Label Studio personal access token or legacy token."""
    bridge_url: str | None = None
    """https://host/path at which Label Studio and its readers' browsers reach maskloom; without it only this machine's do."""
    bridge_listen: str | None = None
    """host:port on which maskloom answers them; without it a free port of 127.0.0.1."""

    import_sources: str = ""
    """What leads may import from, with spaces between them: LABEL=s3://bucket/prefix?endpoint=host:port."""
    upload_size: Annotated[ByteSize, Field(ge=1)] = ByteSize(10 * 2**30)
    """The most that one upload may bring, packed or unpacked, as 10GiB."""
    upload_files: Annotated[int, Field(ge=1)] = 20_000
    """The most files that one upload may bring."""
    upload_reserve: ByteSize = ByteSize(2 * 2**30)
    """Room on the disk of `home` that uploads leave free, as 2GiB."""

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        try:
            known = url is None or make_url(url.get_secret_value()).drivername in _DRIVERS
        except (ArgumentError, ValueError):
            known = False
        if not known:
            # pydantic lets this pass as it is. The URL itself may hold a password.
            raise SettingsError(
                "MASKLOOM_DATABASE_URL is not the URL of a PostgreSQL database",
                hint="Write postgresql://user:password@host:5432/database, or unset it.",
            )
        return url

    @field_validator("bridge_url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or "@" in parts.netloc:
            raise SettingsError(
                "MASKLOOM_BRIDGE_URL is not an address that browsers can open",
                hint="Write https://host/path, or unset it.",
            )
        return url and url.rstrip("/")

    @field_validator("bridge_listen")
    @classmethod
    def _host_and_port(cls, place: str | None) -> str | None:
        host_and_port(place or "127.0.0.1:0", "MASKLOOM_BRIDGE_LISTEN")
        return place

    @field_validator("upload_size", "upload_files", "upload_reserve", mode="wrap")
    @classmethod
    def _amount(cls, given: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return check(given)
        except ValidationError as error:
            raise SettingsError(
                f"MASKLOOM_{str(info.field_name).upper()} is {given!r}, which is no such amount",
                hint="Write a number, with sizes in a unit as in 10GiB, or unset it.",
            ) from error

    @field_validator("import_sources")
    @classmethod
    def _labelled_sources(cls, sources: str) -> str:
        for one in sources.split():
            label, _, url = one.partition("=")
            if not _LABEL.fullmatch(label) or not url.startswith("s3://") or "@" in url:
                # Without the URL: somebody may have put a secret there.
                raise SettingsError(
                    f"MASKLOOM_IMPORT_SOURCES cannot be used at {label[:64]!r}",
                    hint="Write LABEL=s3://bucket/prefix?endpoint=host:port, with spaces between several of them.",
                )
        return sources

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @property
    def sources(self) -> dict[str, str]:
        """The URLs that leads may import from, by the labels under which they know them."""
        return {label: url for label, _, url in (one.partition("=") for one in self.import_sources.split())}

    @property
    def objects(self) -> str:
        """URL of the object store in use."""
        return self.objects_url or (self.home / "objects").as_uri()


def host_and_port(place: str, name: str) -> tuple[str, int]:
    """The two parts of `HOST:PORT`. Raises SettingsError, which says that `name` is not that."""
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise SettingsError(
            f"{name} is not HOST:PORT",
            hint="Write 0.0.0.0:8091 to be reached from other machines, or leave it out.",
        )
    return host, int(port)
