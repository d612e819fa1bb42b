"""A wire to a server on which answers get lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from support.proxies import ending


class LossyWire:
    """Passes on what clients and the server at `url` say to each other, until it is told to lose something."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (str(parts.hostname), parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._to_lose = 0
        self.lost = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def lose(self, answers: int) -> None:
        """Lose the next answers: the server gives them, and the connection breaks before anybody hears of them."""
        self._to_lose = answers

    def cut(self) -> None:
        """Break every connection there is."""
        for end in list(self._open):
            with ending(end):
                pass

    def close(self) -> None:
        """Take no more connections, break those there are, and wait until they have ended."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

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
        with client, socket.create_connection(self._server) as server:
            self._open |= {client, server}
            answers = threading.Thread(target=self._answer, args=(server, client))
            answers.start()
            with ending(client, server):
                while data := client.recv(65536):
                    server.sendall(data)
            answers.join()
            self._open -= {client, server}

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with ending(client, server):
            while data := server.recv(65536):
                if self._to_lose:
                    self._to_lose -= 1
                    self.lost += 1
                    return
                client.sendall(data)


@contextmanager
def lossy(url: str) -> Iterator[LossyWire]:
    """A wire to the server at `url`."""
    wire = LossyWire(url)
    yield wire
    wire.close()
