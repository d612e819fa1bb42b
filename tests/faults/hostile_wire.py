"""What is no HTTP, or hardly; who sends slowly, and who tries passwords without end."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Sequence

from faults.hostile_scene import Target
from support.asking import ask
from support.service import ADMIN, API, PASSWORD, post

_PATIENCE_S = 5.0
_SLOW = 50
_SLOW_PATIENCE_S = 40.0
_FLOOD = 120


def malformed() -> dict[str, bytes]:
    """Whole requests as they go over the wire; none of them may be answered with a success."""
    me = b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n"
    body = b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    inner = b"GET /api/v1/accounts HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: ada\r\n\r\n"
    long = str(len(inner)).encode()
    return {
        "nothing but line ends": b"\r\n" * 50,
        "no request": b"\x00\x01\x02\xff" * 100,
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(50),
        "HTTP/0.9": b"GET /api/v1/me\r\n\r\n",
        "another version": b"GET /api/v1/me HTTP/9.9\r\nHost: x\r\n\r\n",
        "no host": b"GET /api/v1/me HTTP/1.1\r\n\r\n",
        "two hosts": me + b"Host: y\r\n\r\n",
        "a method of its own": b"G\xcbT /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n",
        "a method without end": b"G" * 100_000 + b" / HTTP/1.1\r\n\r\n",
        "an address without end": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "an address that is whole": b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n",
        "a tunnel": b"CONNECT 127.0.0.1:5432 HTTP/1.1\r\nHost: x\r\n\r\n",
        "a trace": b"TRACE /api/v1/me HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n",
        "dots in the address": b"GET /static/../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "packed dots in the address": b"GET /static/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n\r\n",
        "NUL in the address": b"GET /api/v1/me\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "NUL in a header": me + b"Cookie: maskloom_session=a\x00b\r\n\r\n",
        "a line end in a header": me + b"Cookie: a\rX-Smuggled: 1\r\n\r\n",
        "a header over two lines": me + b"Cookie: a\r\n b\r\n\r\n",
        "a header without a name": me + b": x\r\n\r\n",
        "a space before the colon": me + b"Content-Length : 5\r\n\r\nhello",
        "a header without end": me + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
        "headers without number": me + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
        "a length below nothing": body + b"Content-Length: -1\r\n\r\n",
        "a length in words": body + b"Content-Length: ten\r\n\r\n",
        "a length that is more than a number": body + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        "two lengths": body + b"Content-Length: 2\r\nContent-Length: " + long + b"\r\n\r\n" + inner,
        "a length and chunks": body
        + b"Content-Length: "
        + long
        + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + inner,
        "chunks in another coding": body + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + inner,
        "chunks by another name": body + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
        "a chunk of a size that is none": body
        + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "a chunk of a size without end": body + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 2000 + b"\r\n",
        "a chunk longer than it says": body + b"Transfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n",
        "a web socket": me
        + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "an upgrade to HTTP/2": me
        + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n",
        "a hundred requests at once": (me + b"\r\n") * 100,
        "a request that breaks off": me + b"Coo",
        "a body that breaks off": body + b"Content-Length: 100\r\n\r\n{",
    }


def over_the_wire(target: Target, sent: bytes, never: Sequence[str]) -> tuple[str, list[str]]:
    """What it is answered with, and what is wrong with that."""
    said = b""
    with socket.create_connection(("127.0.0.1", _port(target)), timeout=_PATIENCE_S) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                said += part
        except OSError:
            pass  # it does not listen any longer: timed out, reset, or not connected
    statuses = [line.split(b" ")[1].decode() for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    problems = [f"answered {status}" for status in statuses if status[0] in "23" or status in {"500", "502"}]
    problems += [f"the answer tells {word!r}" for word in never if word.encode() in said]
    return ", ".join(dict.fromkeys(statuses)) or "hung up", problems


class SlowOnes:
    """Connections that say hardly anything, held open until they are ended."""

    def __init__(self, target: Target) -> None:
        port = _port(target)
        token = target.tokens["lea"]
        upload = (
            f"POST {API}/datasets/phantom/uploads?split=unlabelled HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            "Content-Length: 100000\r\n\r\n--b\r\n"
        )
        starts = {
            "headers": "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-",
            "nothing": "",
            "a body": "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{",
            "an upload": upload,
        }
        self._open = [
            (kind, socket.create_connection(("127.0.0.1", port)), start)
            for kind, start in starts.items()
            for _ in range(_SLOW)
        ]
        for _, connection, start in self._open:
            connection.sendall(start.encode())
            connection.setblocking(False)
        self._since = time.monotonic()

    def kinds(self) -> Counter[str]:
        """How many there are of each kind."""
        return Counter(kind for kind, _, _ in self._open)

    def problems(self) -> list[str]:
        """Kinds of which some are not ended, once all were or it has taken too long; sends a letter now and then."""
        left = [one for one in self._open if _is_open(one[1], talks=bool(one[2]))]
        while left and time.monotonic() < self._since + _SLOW_PATIENCE_S:
            time.sleep(0.5)
            left = [one for one in left if _is_open(one[1], talks=bool(one[2]))]
        for _, connection, _ in self._open:
            connection.close()
        staying = Counter(kind for kind, _, _ in left)
        return [f"{count} connections that send {kind} slowly stay open" for kind, count in staying.items()]


def flood(target: Target) -> tuple[Counter[int], list[str]]:
    """Passwords without end from one address; and whether others still come in."""
    statuses = Counter(
        post(target.service.url, "/session", account=ADMIN, password=f"{PASSWORD} {number}").status
        for number in range(_FLOOD)
    )
    problems = (
        [] if set(statuses) == {401, 429} and statuses[401] <= 50 else [f"passwords were answered {statuses}"]
    )
    with_token = ask(f"{target.service.url}{API}/me", Authorization=f"Bearer {target.tokens[ADMIN]}")
    if with_token.status != 200:
        problems.append(f"a right token was answered {with_token.status} after a flood of wrong passwords")
    return statuses, problems


def _is_open(connection: socket.socket, *, talks: bool) -> bool:
    try:
        while connection.recv(1 << 12):
            pass  # what was answered before it was ended
    except BlockingIOError:
        pass
    except ConnectionError:
        return False
    else:
        return False
    try:
        if talks:
            connection.send(b"a")
    except BlockingIOError:
        pass
    except ConnectionError:
        return False
    return True


def _port(target: Target) -> int:
    return int(target.service.url.rpartition(":")[2])
