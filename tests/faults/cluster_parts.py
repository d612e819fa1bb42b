"""A cluster of real processes on this machine: Ray nodes that have their own addresses, Redis, PostgreSQL and SeaweedFS."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from support.ray_node import RayNode
from support.redis_server import RedisServer
from support.servers import S3_KEY, S3_SECRET, PostgresServer, S3Server, free_ports

HEAD, WORKERS, DRIVERS = "127.0.0.2", ("127.0.0.3", "127.0.0.4"), "127.0.0.5"
"""Addresses of the nodes. Ray would take one on 127.0.0.1 for a cluster of that machine alone."""


class Parts:
    """What runs. `environment` is what a driver needs to use it, but for its database and objects."""

    def __init__(self, ended: ExitStack) -> None:
        token = secrets.token_hex(32)
        keys = {"AWS_ACCESS_KEY_ID": S3_KEY, "AWS_SECRET_ACCESS_KEY": S3_SECRET}
        (port,) = free_ports(1)
        address = f"{HEAD}:{port}"
        self.environment = keys | {
            "MASKLOOM_RAY_ADDRESS": address,
            "RAY_AUTH_TOKEN": token,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
            "SMALL_RUN_NODE": DRIVERS,
            "SMALL_RUN_WORKERS": str(len(WORKERS)),
        }
        os.environ.update(keys)  # for who looks at what a run has left
        self.postgres = PostgresServer(durable=True)
        ended.callback(self.postgres.stop)
        self.objects = S3Server()
        ended.callback(self.objects.remove)
        redis = RedisServer()
        ended.callback(redis.stop)
        alike = keys | {"RAY_AUTH_TOKEN": token}
        kept = {"RAY_REDIS_ADDRESS": redis.address, "RAY_external_storage_namespace": "faults"}
        self.head = RayNode(
            HEAD, ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"], alike | kept
        )
        ended.callback(self.head.stop)
        # All actors of a run just fit on both workers together. Drivers reach the cluster by a node that bears none.
        self.workers = [self._joined(host, address, 1, alike, ended) for host in WORKERS]
        self.drivers = self._joined(DRIVERS, address, 0, alike, ended)

    def actors(self, name: str) -> list[psutil.Process]:
        """The living actors of that name."""
        return [process for worker in self.workers for process in worker.named(f"ray::{name.title()}")]

    @staticmethod
    def _joined(host: str, address: str, cpus: int, alike: dict[str, str], ended: ExitStack) -> RayNode:
        node = RayNode(host, [f"--address={address}", f"--num-cpus={cpus}"], alike)
        ended.callback(node.stop)
        return node


@contextmanager
def running() -> Iterator[Parts]:
    """All parts, started one after the other; they end with the context, the last first."""
    with ExitStack() as ended:
        yield Parts(ended)
