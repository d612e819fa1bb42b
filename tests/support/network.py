"""Machines with a network of their own, on a bridge of this one: any may be cut off and let back. Only root may make them."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path


class Network:
    """A bridge at `gateway`, and a network namespace for each machine. `ended` removes them."""

    def __init__(self, ended: ExitStack) -> None:
        self._ended = ended
        self._name = f"ml{os.getpid()}"
        self._subnet = f"10.213.{random.SystemRandom().randrange(256)}"
        self.gateway = f"{self._subnet}.1"
        _ip(f"link add {self._name} type bridge")
        ended.callback(_ip, f"link delete {self._name}")
        _ip(f"address add {self.gateway}/24 dev {self._name}")
        _ip(f"link set {self._name} up")

    def machine(self, number: int) -> Machine:
        """One more, with an address that ends in `number` (2 to 254)."""
        name, host = f"{self._name}-{number}", f"{self._subnet}.{number}"
        _ip(f"netns add {name}")
        self._ended.callback(_ip, f"netns delete {name}")
        # Programs look up their own machine's name to learn where others reach it.
        files = Path("/etc/netns") / name
        files.mkdir(parents=True)
        self._ended.callback(shutil.rmtree, files)
        (files / "hosts").write_text(f"127.0.0.1 localhost\n{host} {socket.gethostname()}\n")
        _ip(f"link add {name} type veth peer name eth0 netns {name}")
        _ip(f"link set {name} master {self._name} up")
        for command in ("link set lo up", "link set eth0 up", f"address add {host}/24 dev eth0"):
            _ip(f"-netns {name} {command}")
        return Machine(name, host)


class Machine:
    """`inside`: what a command begins with that runs there."""

    def __init__(self, name: str, host: str) -> None:
        self._name = name
        self.host = host
        self.inside = ("ip", "netns", "exec", name)

    def cut_off(self) -> None:
        """Nothing reaches it any more, nor leaves it; connections are not told."""
        _ip(f"link set {self._name} down")

    def let_back(self) -> None:
        """It is reached again."""
        _ip(f"link set {self._name} up")


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)
