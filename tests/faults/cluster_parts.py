"""A cluster of real processes on this machine: Ray nodes on machines of their own, Redis, PostgreSQL and SeaweedFS."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from faults.cluster_node import Node
from support.network import Network
from support.redis_server import RedisServer
from support.servers import S3_KEY, S3_SECRET, PostgresServer, S3Server, free_ports

HEAD, WORKERS, DRIVERS = 2, (3, 4), 5
"""What the addresses of the nodes end in."""


class Parts:
    """What runs. `environment` is what a driver needs to use it, but for its database and objects and where it is."""

    def __init__(self, ended: ExitStack) -> None:
        token = secrets.token_hex(32)
        keys = {"AWS_ACCESS_KEY_ID": S3_KEY, "AWS_SECRET_ACCESS_KEY": S3_SECRET}
        self._alike = keys | {"RAY_AUTH_TOKEN": token}
        self._network = Network(ended)
        here = self._network.gateway
        os.environ.update(keys)  # for who looks at what a run has left
        self.postgres = PostgresServer(durable=True, host=here)
        ended.callback(self.postgres.stop)
        self.objects = S3Server(here)
        ended.callback(self.objects.remove)
        redis = RedisServer(here)
        ended.callback(redis.stop)
        (port,) = free_ports(1)
        kept = {"RAY_REDIS_ADDRESS": redis.address, "RAY_external_storage_namespace": "faults"}
        head = ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"]
        self.head = self._started(HEAD, head, kept, ended)
        address = f"{self.head.host}:{port}"
        # All actors of a run just fit on both workers together. Drivers reach the cluster by a node that bears none.
        self.workers = [
            self._started(number, [f"--address={address}", "--num-cpus=1"], {}, ended) for number in WORKERS
        ]
        self.drivers = self._started(DRIVERS, [f"--address={address}", "--num-cpus=0"], {}, ended)
        self.environment = self._alike | {
            "MASKLOOM_RAY_ADDRESS": address,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
            "SMALL_RUN_WORKERS": str(len(WORKERS)),
        }

    @property
    def nodes(self) -> list[Node]:
        """All nodes, the head first."""
        return [self.head, *self.workers, self.drivers]

    def actors(self, name: str) -> list[psutil.Process]:
        """The living actors of that name."""
        return [process for worker in self.workers for process in worker.named(f"ray::{name.title()}")]

    def _started(self, number: int, options: list[str], more: dict[str, str], ended: ExitStack) -> Node:
        node = Node(self._network.machine(number), options, self._alike | more)
        ended.callback(node.stop)
        return node


@contextmanager
def running() -> Iterator[Parts]:
    """All parts, started one after the other; they end with the context, the last first."""
    with ExitStack() as ended:
        yield Parts(ended)
