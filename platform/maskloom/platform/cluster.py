"""Ray: connect when first needed, place long-lived actors. Those that share tasks are a `pool.Pool`.

Without an address Ray starts inside this process, for this process only: its ports are on loopback, and ask for a token of
its own besides. Actors are caches of what the object store holds; any of them may die.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

from maskloom.platform import ray_nodes
from maskloom.platform.errors import ClusterUnavailable, SettingsError
from maskloom.platform.seats import ANYWHERE, Seats

MAX_DEATHS = 3
_KNOCK_S = 10.0
_OBJECT_STORE_BYTES = 100 * 2**20  # only digests and figures pass through Ray
ACTOR_ENVIRONMENT = {
    # Threads that spin while they wait for each other cost a step ten times its time and more as soon as anything else wants
    # the cores (measured: 20 s instead of 1.1 s on two busy cores).
    "OMP_WAIT_POLICY": "PASSIVE",
    # glibc gives large blocks back at once and asks for fresh pages at the next step: 7 % of a step's CPU time, and 5/6 of the
    # time to make a checkpoint's bytes, in a virtual machine. So: one heap, that is kept.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_ARENA_MAX": "1",
}
"""What actors find in their environment."""


class Cluster:
    """A Ray cluster: `address` (host:port), or one inside this process."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        self._connected = False
        # Ray reads these when it is first imported, by whoever that is.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # Its remarks on dead workers go to standard output otherwise, into the midst of ours.
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
        # One failed task ends a step; that its neighbours failed too is no second message.
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        if address is None:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            # As Ray has it on desktops: a cluster of this machine alone, whose ports are on 127.0.0.1, every one of them.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        else:
            # Somebody listens there when Ray asks (`_knock`): who does not answer three times refuses our token.
            os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "3")

    def check(self) -> None:
        """Raise ClusterUnavailable when nobody listens at `address`. One inside a process starts when it is needed."""
        if self.address is not None:
            _knock(self.address)

    def connect(self) -> None:
        """Start or join the cluster. Raises ClusterUnavailable."""
        if self._connected:
            return
        if self.address is not None:
            _knock(self.address)
        else:  # Actors inherit it. Asked for as `runtime_env`, Ray would start each from nothing, a second later.
            os.environ.update(ACTOR_ENVIRONMENT)
        import ray  # noqa: PLC0415 - a second that finished runs need not pay

        try:
            with _own_signal_handlers():
                ray.init(
                    **self._where(), log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
                )
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            reason = str(error).strip().splitlines()[0].partition(". ")[0]
            raise ClusterUnavailable(
                f"Ray does not answer at {self.address or 'this machine'}: {reason}",
                hint="Check MASKLOOM_RAY_ADDRESS (host:port of the head's GCS) and RAY_AUTH_TOKEN, or unset the address "
                "to run Ray inside maskloom.",
            ) from error
        self._connected = True

    def _where(self) -> dict[str, Any]:
        if self.address is not None:
            return {"address": self.address, "runtime_env": {"env_vars": ACTOR_ENVIRONMENT}}
        return {
            "address": "local",
            "num_cpus": max(4, psutil.cpu_count() or 1),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "object_store_memory": _OBJECT_STORE_BYTES,
        }

    def gpus(self) -> float:
        """GPUs in the cluster."""
        self.connect()
        import ray  # noqa: PLC0415

        return float(ray.cluster_resources().get("GPU", 0))

    def reserve(self, places: int, *, gpus: bool, spread: bool) -> Seats:
        """Places for two actors each, who take turns there: on a GPU of their own each, or else on a core.

        `spread`: over as many nodes as there are, instead of as few as will do. What there is no room for yet is waited for, by
        its actors, and an autoscaler sees it.
        """
        self.connect()
        if self.address is None and not gpus:
            return ANYWHERE
        return Seats.reserved(places, gpus=gpus, spread=spread)

    def start(self, actor: str, arguments: Sequence[Any], seats: Seats = ANYWHERE, seat: int = 0) -> Any:
        """A new actor, holding an object of the class `module:name`, on one of the `seats`, or else wherever it may be.

        It takes several calls at a time (`call`), so that it can be asked while it works. Raises ClusterUnavailable.
        """
        self.connect()
        import ray  # noqa: PLC0415

        ray_nodes.check_own()
        options = {"max_concurrency": 4, "max_restarts": 0} | seats.options(seat)
        named = type(actor.partition(":")[2], (_Actor,), {})  # what `ps` will show
        return ray.remote(named).options(**options).remote(actor, arguments)

    def close(self) -> None:
        """Leave the cluster; actors of this process end."""
        if self._connected:
            import ray  # noqa: PLC0415

            ray.shutdown()
            self._connected = False


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Ray puts its own in place of them, which end the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _knock(address: str) -> None:
    """Raise ClusterUnavailable when nobody listens there: Ray itself would ask again for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(
            f"MASKLOOM_RAY_ADDRESS is {address!r}", hint="Write host:port, such as 10.0.0.5:6379."
        )
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterUnavailable(
            f"nobody listens at {address}, where MASKLOOM_RAY_ADDRESS says Ray is: {error}",
            hint="Start the Ray head, or correct the address (host:port of its GCS), or unset it to run Ray inside "
            "maskloom.",
        ) from error


class _Actor:
    """Makes its object in its own process: loading torch takes a driver seconds that it need not spend."""

    def __init__(self, path: str, arguments: Sequence[Any]) -> None:
        module, _, name = path.partition(":")
        self._held = getattr(importlib.import_module(module), name)(*arguments)

    def is_there(self) -> bool:
        """What a caller waits for who wants to know that the actor has a place and has been made."""
        return True

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._held, method)(*arguments)


def call(actor: Any, method: str, *arguments: Any) -> Any:
    """Ask an actor; a reference to its answer."""
    return actor.call.remote(method, *arguments)


def result(reference: Any) -> Any:
    """What a call to an actor returned; what it raised, as the actor raised it."""
    import ray  # noqa: PLC0415

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def kill(actors: Sequence[Any]) -> None:
    """End actors at once."""
    import ray  # noqa: PLC0415

    for actor in actors:
        ray.kill(actor)
