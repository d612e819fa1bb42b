"""A connection between PostgreSQL and its client that breaks at the worst moment: when COMMIT is sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Answer = Literal["passed on", "lost"]


class BreakingProxy:
    """Passes on what clients and the server at the unix socket `server` say, until `break_next` says otherwise.

    It listens at `folder/.s.PGSQL.5432`.
    """

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = server
        self._at_commit: Callable[[], None] | None = None
        self._answer: Answer = "passed on"
        self.broken = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def break_next(self, at_commit: Callable[[], None], *, answer: Answer) -> None:
        """At the next COMMIT: pass it on, call `at_commit`, and let the server's answer reach the client, or be lost."""
        self._answer, self._at_commit = answer, at_commit

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                client.close()
                continue
            lost = threading.Event()
            for source, target, commits in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._pass_on, args=(source, target, commits, lost), daemon=True
                ).start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, commits: bool, lost: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                at_commit = self._at_commit
                if commits and at_commit is not None and b"COMMIT" in data:
                    self._at_commit = None
                    self.broken += 1
                    if self._answer == "lost":
                        lost.set()
                    target.sendall(data)
                    at_commit()
                elif not commits and lost.is_set():
                    break  # the answer to COMMIT has come, and the client never hears of it
                else:
                    target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
