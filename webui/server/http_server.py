"""The HTTP server of one web process.

One thread moves bytes for all clients, so that no application thread waits for one.

A request reaches an application thread when it is complete, and an answer leaves the thread at once. A slow, stalled or
vanished client costs only a socket, until it times out.
"""

import copy
import json
import socket
import time
from http import HTTPStatus
from typing import Any, Final

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask
from waitress.utilities import Error

from core.settings import Settings
from webui.server.thread_pools import ThreadPools
from webui.shared.auth import SESSION_COOKIE
from webui.shared.body_limits import (
    BODY_BYTES_BEFORE_SIGN_IN_MAX,
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    too_large_sentence,
)
from webui.shared.file_downloads import YIELD_TO_PAGES
from webui.shared.problem_json import API_PATH, PROBLEM_JSON

CONNECTIONS_MAX: Final = 1_000  # for one process; each takes a few KB and at most two file descriptors
CROWDED_CONNECTIONS: Final = 800  # from this many connections on, idle ones are closed to make room
# per second: a slow phone line; longer bodies and answers get proportionally more time
RATE_BYTES_MIN: Final = 16 * 1024
UNREAD_BYTES_MAX: Final = 2 * BODY_BYTES_MAX  # of a body that is too large; a client that sends more is disconnected
FLUSH_BYTES: Final = 256 * 1024  # to one client before it is the next one's turn
LARGE_BODY_BYTES: Final = 1024 * 1024  # some 50,000 claim ids
FILE_EXTENSIONS: Final = (".csv", ".xlsx")


class RefusedRequest(Error):  # type: ignore[misc]  # waitress has no types
    """A request that the application never sees. The answer repeats no part of it."""

    def __init__(self, error: Error, *, path: str) -> None:
        """Answer with `error`, in the API's format if the path belongs to the API."""
        sentences = {**_ERROR_SENTENCES, HTTPStatus.REQUEST_ENTITY_TOO_LARGE: too_large_sentence(path)}
        super().__init__(sentences.get(error.code, "The server can't read this request."))
        self.code, self.reason = error.code, error.reason
        self._to_a_program = path.startswith(API_PATH)

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:  # noqa: ARG002
        """Return status, headers and body."""
        status = f"{self.code} {self.reason}"
        if not self._to_a_program:
            return status, [("Content-Type", "text/plain; charset=utf-8")], f"{self.body}\n".encode()
        code = {413: "too_large"}.get(self.code, self.reason.lower().replace(" ", "_"))
        problem = {"type": "about:blank", "title": self.reason, "status": self.code, "code": code, "detail": self.body}
        return status, [("Content-Type", PROBLEM_JSON)], json.dumps(problem).encode()


_ERROR_SENTENCES: Final = {
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The address or a header of this request is too long.",
}


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request that is being received."""

    error: Error | None
    adj: Any
    expect_continue: bool
    _unread_bytes = 0  # bytes left of a refused body

    def received(self, data: bytes) -> int:
        """Read more of it. Refuse it as soon as it is known to be too large or unreadable."""
        if self._unread_bytes:
            thrown_away = min(self._unread_bytes, len(data))
            self._unread_bytes -= thrown_away
            self.completed = not self._unread_bytes
            return thrown_away
        used: int = super().received(data)
        if self.error and not isinstance(self.error, RefusedRequest):
            self._refuse(self.error)
        return used

    def _refuse(self, error: Error) -> None:
        self.error = RefusedRequest(error, path=self.request_path)
        if self.content_length and not self.expect_continue:
            # Discard the body as it comes. Otherwise a client that is still sending would see a broken connection and
            # no answer.
            self._unread_bytes = min(self.content_length, UNREAD_BYTES_MAX)
            self.completed = False
        self.expect_continue = False  # waitress would request the body anyway

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head. A client without a session or token may send only a small body."""
        super().parse_header(header_plus)
        cookies = self.headers.get("COOKIE", "")
        if "AUTHORIZATION" not in self.headers and f"{SESSION_COOKIE}=" not in cookies:
            self.adj = self.adj.before_sign_in

    @property
    def request_path(self) -> str:
        """Return the path, or an empty string if the head could not be read."""
        path: str = getattr(self, "path", "")
        return path

    @property
    def body_bytes(self) -> int:
        """Return the length of the received body."""
        return int(self.headers.get("CONTENT_LENGTH", 0))

    @property
    def is_heavy(self) -> bool:
        """Return whether it takes seconds of computing. A refused request does not, and its length may be invalid."""
        if self.error:
            return False
        return self.request_path.endswith(FILE_EXTENSIONS) or self.body_bytes > LARGE_BODY_BYTES


class ResponseTask(WSGITask):  # type: ignore[misc]
    """The application's answer to one request."""

    def get_environment(self) -> dict[str, Any]:
        """Give the application a function that yields to pages while it writes a file."""
        return {**super().get_environment(), YIELD_TO_PAGES: self.channel.server.task_dispatcher.yield_to_pages}

    def build_response_header(self) -> bytes:
        """Write header names as the application does, because some programs look for `ETag` and not for `Etag`."""
        names = {name.lower().encode(): name.encode() for name, _ in self.response_headers}
        first, *others = super().build_response_header().split(b"\r\n")
        parts = (line.partition(b":") for line in others)
        return b"\r\n".join([first, *(names.get(name.lower(), name) + rest + value for name, rest, value in parts)])


class Channel(HTTPChannel):  # type: ignore[misc]
    """The connection of one client."""

    parser_class = Request
    task_class = ResponseTask
    sendbuf_len: int
    requests: list[Request]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start waiting for the client."""
        self._request_began = self._answer_began = self._moved_at = time.monotonic()
        self._request_bytes = self._answer_bytes = self._turn_bytes = 0
        super().__init__(*args, **kwargs)
        self.sendbuf_len = min(self.sendbuf_len, FLUSH_BYTES)

    def received(self, data: bytes) -> bool:
        """Read what the client sent."""
        self._moved_at = time.monotonic()
        if self.request is None:
            self._request_began, self._request_bytes = self._moved_at, 0
        self._request_bytes += len(data)
        more: bool = super().received(data)
        return more

    def write_soon(self, data: Any) -> int:
        """Accept a part of the application's answer. It is sent as quickly as the client reads."""
        if not self.total_outbufs_len:
            self._answer_began = self._moved_at = time.monotonic()
            self._answer_bytes = 0
        taken: int = super().write_soon(data)
        return taken

    def _flush_some(self, do_close: bool = True) -> bool:  # noqa: FBT001, FBT002
        self._turn_bytes = FLUSH_BYTES
        more: bool = super()._flush_some(do_close)
        return more

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001, FBT002
        """Send a part of the answer. Stop when the client's turn is over."""
        if self._turn_bytes <= 0:
            return 0
        sent: int = super().send(data, do_close)
        if sent:
            self._moved_at = time.monotonic()
            self._answer_bytes += sent
            self._turn_bytes -= sent
        return sent

    def service(self) -> None:
        """Run the application. The time limit for the next request starts afterward.

        No file is made for a client that disconnected while it was waiting.
        """
        try:
            if self.requests[0].is_heavy and self._has_hung_up():
                self.connected = False
            super().service()
        except BaseException:
            # Its request would stay unanswered, and a client with an unanswered request never times out.
            self.will_close = True
            self.requests = []
            self.server.pull_trigger()
            raise
        finally:
            self._moved_at = time.monotonic()

    def _has_hung_up(self) -> bool:
        try:
            return not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    @property
    def is_idle(self) -> bool:
        """Return whether there is no request and nothing left to send."""
        return not self.requests and self.request is None and not self.total_outbufs_len

    def is_late(self, now: float, waits: "ClientTimeouts", *, crowded: bool) -> bool:
        """Return whether the client has used up its time."""
        if self.total_outbufs_len:
            lasts = waits.write_seconds + self._answer_bytes / RATE_BYTES_MIN
            return now - self._moved_at > waits.write_seconds or now - self._answer_began > lasts
        if self.requests:
            return False  # the application is working on it
        if self.request is not None:
            return now - self._request_began > waits.read_seconds + self._request_bytes / RATE_BYTES_MIN
        return now - self._moved_at > (1 if crowded else waits.idle_seconds)

    def hang_up(self) -> None:
        """Close the connection at once, even in the middle of an answer."""
        if self.request is not None:
            self.request.close()
        self.handle_close()


class ClientTimeouts:
    """The time limits for clients."""

    def __init__(self, settings: Settings) -> None:
        """Read them from the settings."""
        self.read_seconds = settings.web_read_seconds
        self.write_seconds = settings.web_write_seconds
        self.idle_seconds = settings.web_idle_seconds


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Accepts connections on one socket."""

    channel_class = Channel

    def maintenance(self, now: float) -> None:
        """Do nothing. waitress would only mark a stalled client, and close it when it reads again."""

    def close_late_connections(self, waits: ClientTimeouts) -> int:
        """Close the connections of clients that used up their time. Return how many had a request."""
        now, crowded = time.monotonic(), len(self._map) > CROWDED_CONNECTIONS
        late = [one for one in list(self.active_channels.values()) if one.is_late(now, waits, crowded=crowded)]
        slow = sum(not one.is_idle for one in late)
        for channel in late:
            channel.hang_up()
        return slow

    def stop_accepting(self) -> None:
        """Accept no more connections, and close idle ones."""
        self.accepting = False
        for channel in list(self.active_channels.values()):
            if channel.is_idle:
                channel.hang_up()


def create_server(listening: socket.socket, application: Any, lanes: ThreadPools, loop: dict[int, Any]) -> Server:
    """Create a server on a bound socket, as a part of `loop`."""
    adj = Adjustments(
        # Only ProxyFix reads X-Forwarded-…, and only if SETTLE_TRUSTED_PROXIES is set.
        clear_untrusted_proxy_headers=False,
        connection_limit=CONNECTIONS_MAX,
        max_request_header_size=HEAD_BYTES_MAX,
        max_request_body_size=BODY_BYTES_MAX + 1,  # waitress refuses a body of exactly this length
        ident="",
    )
    adj.before_sign_in = copy.copy(adj)
    adj.before_sign_in.max_request_body_size = BODY_BYTES_BEFORE_SIGN_IN_MAX + 1
    found = (listening.family, listening.type, listening.proto, listening.getsockname())
    return Server(application, loop, _sock=listening, dispatcher=lanes, adj=adj, sockinfo=found, bind_socket=False)
