"""Where state lives and which services to use, read once from the environment."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    ByteSize,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from maskloom.platform.errors import SettingsError

_DRIVERS = {"postgresql", "postgresql+psycopg2"}
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LAST_PORT = 65535
_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}
Network = Literal["run", "champion"]
Placement = Literal["pack", "spread"]


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
    ray_gpus: bool | None = None
    """Whether runs compute on GPUs of a Ray cluster, which may bring them only when they are asked for. Who makes runs has to
    know as well as who drives them. Without it the GPUs count that are there when a run starts."""
    ray_placement: Placement = "pack"
    """Whether a run's actors share as few nodes of the Ray cluster as will do, or spread over as many as there are."""
    label_studio_url: str | None = None
    """http://host:port of a Label Studio for reviews; without it the one that `maskloom review up` started, or else folders."""
    label_studio_token: SecretStr | None = None
    """A Label Studio personal access token or legacy token."""
    bridge_url: str | None = None
    """https://host/path at which Label Studio and its readers' browsers reach maskloom; without it only this machine's do."""
    bridge_listen: str | None = None
    """host:port on which maskloom answers them; without it a free port of 127.0.0.1."""
    bridge_network: Network = "run"
    """Whose network draws a mask when a reader opens a slice: that of the review's run, or the data set's champion's."""
    url: str | None = None
    """https://host at which people reach `maskloom serve`: for links, and for who comes back from where they signed in."""
    proxies: str = ""
    """Addresses or networks, with commas, of the proxies whose word on who asks (X-Forwarded-For, -Proto) counts."""
    oidc_issuer: str | None = None
    """https://host/path of an OpenID Connect provider with which people may sign in."""
    oidc_client_id: str | None = None
    """What that provider calls maskloom."""
    oidc_client_secret: SecretStr | None = None
    """What maskloom proves itself with to that provider."""
    token: SecretStr | None = None
    """A token for the maskloom that commands ask with --server."""

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
        if not _is_web(urlsplit(url or "http://none")):
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

    @field_validator("ray_gpus", mode="wrap")
    @classmethod
    def _yes_or_no(cls, given: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(given)
        except ValidationError as error:
            raise SettingsError(
                "MASKLOOM_RAY_GPUS is neither true nor false",
                hint="Write true where the Ray cluster has GPUs or brings them when they are asked for, or unset it.",
            ) from error

    @field_validator("ray_placement", mode="before")
    @classmethod
    def _pack_or_spread(cls, how: str) -> str:
        if how not in get_args(Placement):
            raise SettingsError(
                "MASKLOOM_RAY_PLACEMENT is neither pack nor spread",
                hint="Write spread to use as many nodes as there are, or unset it.",
            )
        return how

    @field_validator("bridge_network", mode="before")
    @classmethod
    def _run_or_champion(cls, whose: str) -> str:
        if whose not in get_args(Network):
            raise SettingsError(
                "MASKLOOM_BRIDGE_NETWORK is neither run nor champion",
                hint="Write champion to follow the data set's champion, or unset it.",
            )
        return whose

    @field_validator("url")
    @classmethod
    def _public_address(cls, url: str | None) -> str | None:
        parts = urlsplit((url or "http://none").rstrip("/"))
        if not _is_web(parts) or parts.path:
            raise SettingsError(
                "MASKLOOM_URL is not an address at which people can reach maskloom",
                hint="Write https://host, without a path, or unset it.",
            )
        return url and url.rstrip("/")

    @field_validator("proxies")
    @classmethod
    def _networks(cls, proxies: str) -> str:
        try:
            named = [str(ip_network(one.strip())) for one in proxies.split(",") if one.strip()]
        except ValueError as error:
            raise SettingsError(
                f"MASKLOOM_PROXIES has what is no address and no network: {error}",
                hint="Write 10.0.0.7 or 10.0.0.0/24, several with commas between them.",
            ) from error
        return ",".join(named)

    @field_validator("oidc_issuer")
    @classmethod
    def _trustworthy(cls, issuer: str | None) -> str | None:
        parts = urlsplit(issuer or "https://none")
        if not _is_web(parts) or (parts.scheme == "http" and parts.hostname not in _THIS_MACHINE):
            raise SettingsError(
                "MASKLOOM_OIDC_ISSUER is not the address of an OpenID Connect provider",
                hint="Write https://host/path as the provider's documents have it, or unset it.",
            )
        return issuer

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        needed = {
            "MASKLOOM_OIDC_CLIENT_ID": self.oidc_client_id,
            "MASKLOOM_OIDC_CLIENT_SECRET": self.oidc_client_secret,
            "MASKLOOM_URL": self.url,
        }
        missing = [name for name, value in needed.items() if not value]
        if self.oidc_issuer and missing:
            raise SettingsError(
                f"MASKLOOM_OIDC_ISSUER is set, and {', '.join(missing)} not",
                hint="Set them as the provider has them, or unset MASKLOOM_OIDC_ISSUER.",
            )
        return self

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


def _is_web(parts: SplitResult) -> bool:
    """Whether it is an address that browsers can open, and nothing more than one."""
    known = parts.scheme in {"http", "https"} and bool(parts.hostname)
    return known and not parts.query and not parts.fragment and "@" not in parts.netloc


def host_and_port(place: str, name: str) -> tuple[str, int]:
    """The two parts of `HOST:PORT`. Raises SettingsError, which says that `name` is not that."""
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise SettingsError(
            f"{name} is not HOST:PORT, with a port up to {_LAST_PORT}",
            hint="Write 127.0.0.1:8091, or 0.0.0.0:8091 to be reached from other machines.",
        )
    return host, int(port)
