"""A node of the cluster that has a network, a disk and a clock of its own. Only root may make one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.network import Machine
from support.ray_node import RayNode
from support.servers import short_folder

_DISK = "256m"


class Node(RayNode):
    """A node on `machine`. Its disk is what it writes to: logs, sockets, temporary files."""

    def __init__(self, machine: Machine, options: Sequence[str], environment: Mapping[str, str]) -> None:
        self.machine = machine
        disk = short_folder()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=755", "none", disk], check=True)
        self._clock, self._ballast = disk / "clock", disk / "ballast"
        self._clock.write_bytes(bytes(8))
        preloaded = disk / "wrong_clock.so"
        source = Path(__file__).with_name("wrong_clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", preloaded, source], check=True)
        clock = {"LD_PRELOAD": str(preloaded), "WRONG_CLOCK": str(self._clock)}
        super().__init__(machine.host, options, {**environment, **clock}, inside=machine.inside, folder=disk)

    def set_clock(self, seconds: int) -> None:
        """From now on its processes read a time that is so much later."""
        with self._clock.open("r+b") as mapped:
            mapped.write(seconds.to_bytes(8, sys.byteorder, signed=True))

    def clock_is_wrong(self) -> bool:
        """Whether `set_clock` has set it so."""
        return any(self._clock.read_bytes())

    def fill_disk(self) -> None:
        """Leave no byte of room."""
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={self._ballast}", "bs=64k"], capture_output=True, check=False
        )
        assert shutil.disk_usage(self.folder).free < 2**16

    def clear_disk(self) -> None:
        """Take away what `fill_disk` has written."""
        self._ballast.unlink()

    def stop(self) -> None:
        """End it and remove its disk."""
        self._server.stop()
        subprocess.run(["umount", "--lazy", self.folder], check=True)
        self.folder.rmdir()
