"""Requests to a server with TLS, whose certificate an organization's own authority issued."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from core.delivery import web_request
from tests.fronts import HOST, Authority


class Accepting(BaseHTTPRequestHandler):
    """Answers each request with its Host header."""

    def do_POST(self) -> None:
        host = self.headers["Host"].encode()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(host)))
        self.end_headers()
        self.wfile.write(host)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def port(authority: Authority) -> Iterator[int]:
    """Yield the port of the server."""
    with HTTPServer((HOST, 0), Accepting) as server:
        server.socket = authority.context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def post(port: int, *, bytes_max: int = 100) -> web_request.Answer:
    url = f"https://localhost:{port}/in?a=1"
    return web_request.fetch("POST", url, {}, b"{}", reach="loopback", bytes_max=bytes_max, seconds=10)


def test_an_authority_of_your_own_is_trusted_once_ssl_cert_file_names_it(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post(port).result == "bad_certificate"

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))

    assert post(port) == ("HTTP 200", f"localhost:{port}".encode())
    assert post(port, bytes_max=5).result == "too_large"
