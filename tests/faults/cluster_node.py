"""A node of the cluster that has a network, a disk and a clock of its own. Only root may make one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.network import Machine
from support.ray_node import RayNode
from support.servers import short_folder

_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
_DISK = "256m"


class Node(RayNode):
    """A node on `machine`. Its disk is what it writes to: logs, sockets, temporary files."""

    def __init__(self, machine: Machine, options: Sequence[str], environment: Mapping[str, str]) -> None:
        assert Path(_FAKETIME).exists(), "install faketime: apt-get install faketime"
        self.machine = machine
        disk = short_folder()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=755", "none", disk], check=True)
        self._clock, self._ballast = disk / "clock", disk / "ballast"
        self.set_clock(0)
        sleep = disk / "sleep.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-o", sleep, Path(__file__).with_name("sleep.c")], check=True
        )
        clock = {
            "LD_PRELOAD": f"{sleep}:{_FAKETIME}",
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        super().__init__(machine.host, options, {**environment, **clock}, inside=machine.inside, folder=disk)

    def set_clock(self, seconds: int) -> None:
        """From now on its processes read a time that is so much later."""
        self._clock.write_text(f"+{seconds}")

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
