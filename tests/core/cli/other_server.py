"""A server that is not ours, or is ours of another version, or restarts."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class OtherServer(http.server.BaseHTTPRequestHandler):
    """A server that gives the answers of `answers` one after the other, and keeps what it was asked."""

    answers: list[bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.requestline)
        self.wfile.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def other_server(*answers: bytes, certificates: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of a server that gives these answers, and the requests that it has received."""
    handler = type("Handler", (OtherServer,), {"answers": list(answers), "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificates is not None:
            server.socket = certificates.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client refused our certificate
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"{'https' if certificates else 'http'}://127.0.0.1:{server.server_port}", handler.asked  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def answer(status: str, kind: str, body: str = "", **headers: str) -> bytes:
    """Return the bytes of an answer."""
    given = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n{body}".encode()
