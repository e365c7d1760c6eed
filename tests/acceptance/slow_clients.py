"""Clients that a web server must tolerate: they stop in the middle of a request, or do not read the answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from webui.shared.auth import SESSION_COOKIE

_WINDOW_BYTES: Final = 4_096  # so that only a small part of an answer fits into the client's own socket
_DRIP_SECONDS: Final = 0.2
_PEEK: Final = socket.MSG_PEEK | socket.MSG_DONTWAIT


@dataclass(frozen=True)
class Caller:
    """The port of the web process, and the caller's browser session and API token."""

    host: str
    port: int
    session: str
    token: str

    def get(self, path: str) -> bytes:
        """Return a whole request for `path`."""
        return b"".join([b"GET %b HTTP/1.1\r\n" % path.encode(), self._headers(path), b"\r\n"])

    def half_a_body(self, path: str, kind: str, *, known: bool) -> bytes:
        """Return a request that promises 1,000 bytes and sends ten of them."""
        fields = f"Content-Type: {kind}\r\nContent-Length: 1000\r\nIdempotency-Key: half\r\n".encode()
        who = self._headers(path) if known else b"Host: settle\r\n"
        return b"".join([b"POST %b HTTP/1.1\r\n" % path.encode(), who, fields, b"\r\n", b"email=a@b."])

    def half_a_chunk(self, path: str) -> bytes:
        """Return such a request whose length is not known in advance."""
        fields = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nemail=a@b."
        return b"".join([b"POST %b HTTP/1.1\r\n" % path.encode(), self._headers(path), fields])

    def _headers(self, path: str) -> bytes:
        who = f"Authorization: Bearer {self.token}" if path.startswith("/api/") else f"Cookie: {self._cookie}"
        return f"Host: settle\r\n{who}\r\n".encode()

    @property
    def _cookie(self) -> str:
        return f"{SESSION_COOKIE}={self.session}"


# Each address that answers with a file. `{job}` is a completed job.
DOWNLOADS: Final = {
    "feed": "/feed/export.csv",
    "job as csv": "/jobs/{job}/files/settled.csv",
    "job as xlsx": "/jobs/{job}/files/settled.xlsx",
    "credits": "/credits/credits.csv",
    "audit": "/audit/audit.csv",
    "job by the API": "/api/v1/settle-jobs/{job}/settled.csv",
    "job as xlsx by the API": "/api/v1/settle-jobs/{job}/settled.xlsx",
    "audit by the API": "/api/v1/audit.csv",
}
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
# What a client sends before it stops in the middle or falls silent.
HALVES: Final[dict[str, Callable[[Caller], bytes]]] = {
    "nothing at all": lambda _: b"",
    "half of a request line": lambda _: b"GET /cla",
    "half of a header": lambda _: b"GET /claims HTTP/1.1\r\nHost: settle\r\nCook",
    "half of a form before sign-in": lambda caller: caller.half_a_body("/sign-in", _FORM, known=False),
    "half of a form": lambda caller: caller.half_a_body("/feed/views", _FORM, known=True),
    "half of a body": lambda caller: caller.half_a_body("/api/v1/settle-jobs", _JSON, known=True),
    "half of a chunk": lambda caller: caller.half_a_chunk("/api/v1/settle-jobs"),
    "one request on a kept-alive connection": lambda caller: caller.get("/healthz"),
}


@dataclass
class Held:
    """Several connected clients of one kind."""

    sockets: list[socket.socket] = field(default_factory=list)

    def answered(self) -> int:
        """Return how many of them have received the beginning of an answer, without reading it."""
        return sum(_peeked(client) not in (None, b"") for client in self.sockets)

    def disconnected(self) -> int:
        """Return how many of them the server has disconnected. Read their answers to find out."""
        return sum(_is_closed(client) for client in self.sockets)


def _peeked(client: socket.socket) -> bytes | None:
    try:
        return client.recv(1, _PEEK)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


def _is_closed(client: socket.socket) -> bool:
    try:
        while client.recv(1 << 20, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


@contextmanager
def holding(caller: Caller, sent: bytes, *, clients: int, drips: bytes = b"") -> Iterator[Held]:
    """Connect `clients` that send `sent` and no more, or a byte of `drips` from time to time."""
    held = Held()
    done = threading.Event()
    dripping = threading.Thread(target=_drip, args=(held, drips, done), daemon=True)
    try:
        for _ in range(clients):
            held.sockets.append(_connected(caller, sent))
        dripping.start()
        yield held
    finally:
        done.set()
        dripping.join()
        for client in held.sockets:
            client.close()


def _connected(caller: Caller, sent: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
    client.connect((caller.host, caller.port))
    client.sendall(sent)
    return client


def _drip(held: Held, drips: bytes, done: threading.Event) -> None:
    for one in drips:
        if done.wait(_DRIP_SECONDS):
            return
        for client in held.sockets:
            try:
                client.send(bytes([one]), socket.MSG_DONTWAIT)
            except OSError:  # the server has closed the connection
                continue
