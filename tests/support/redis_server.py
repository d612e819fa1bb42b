"""The Redis in which a Ray head keeps what it must still know after it was killed."""

from __future__ import annotations

import shutil
import socket

from support.servers import ChildServer, free_ports, short_folder


class RedisServer:
    """Debian's redis-server at `address`, in a folder of its own."""

    def __init__(self, host: str) -> None:
        program = shutil.which("redis-server")
        assert program, "install redis-server: apt-get install redis-server"
        self._folder = short_folder()
        self._place = host, free_ports(1)[0]
        self.address = "{}:{}".format(*self._place)
        options = ["--bind", host, "--port", str(self._place[1]), "--appendonly", "yes"]
        options += ["--protected-mode", "no"]  # it is asked from machines of its own network alone
        self._server = ChildServer([program, *options], folder=self._folder, stop="TERM")
        self._server.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            socket.create_connection(self._place, timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it and remove what it holds."""
        self._server.stop()
        shutil.rmtree(self._folder)
