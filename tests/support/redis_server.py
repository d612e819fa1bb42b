"""The Redis in which a Ray head keeps what it must still know after it was killed."""

from __future__ import annotations

import shutil
import socket

from support.servers import ChildServer, free_ports, short_folder


class RedisServer:
    """Debian's redis-server at `address`, in a folder of its own."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        assert program, "install redis-server: apt-get install redis-server"
        self._folder = short_folder()
        (self._port,) = free_ports(1)
        self.address = f"127.0.0.1:{self._port}"
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--appendonly", "yes"]
        self._server = ChildServer([program, *options], folder=self._folder, stop="TERM")
        self._server.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it and remove what it holds."""
        self._server.stop()
        shutil.rmtree(self._folder)
