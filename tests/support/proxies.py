"""A connection between PostgreSQL and its client that breaks at the worst moment: when COMMIT is sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
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
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def break_next(self, at_commit: Callable[[], None], *, answer: Answer) -> None:
        """At the next COMMIT: pass it on, call `at_commit`, and let the server's answer reach the client, or be lost."""
        self._answer, self._at_commit = answer, at_commit

    def close(self) -> None:
        """Take no more connections, and wait until those there are have ended."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(str(self._server))
            except OSError:
                return
            lost = threading.Event()
            answers = threading.Thread(target=self._answers, args=(server, client, lost))
            answers.start()
            self._questions(client, server, lost)
            answers.join()

    def _questions(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with ending(client, server):
            while data := client.recv(65536):
                if self._at_commit is None or b"COMMIT" not in data:
                    server.sendall(data)
                    continue
                at_commit, self._at_commit = self._at_commit, None
                self.broken += 1
                if self._answer == "lost":
                    lost.set()
                server.sendall(data)
                at_commit()

    def _answers(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with ending(client, server):
            while data := server.recv(65536):
                if lost.is_set():
                    return  # it has answered the COMMIT, and the client never hears of it
                client.sendall(data)


@contextlib.contextmanager
def ending(*ends: socket.socket) -> Iterator[None]:
    """When one side has gone, the other goes too."""
    with contextlib.suppress(OSError):
        yield
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
