"""A program that receives webhooks over HTTP and does what the path says. It writes each request to a file.

`python -m tests.core.delivery.receiver FOLDER` writes its port to FOLDER/port, and a line of JSON for each request to
FOLDER/requests. /ok accepts. /fails answers 500 until FOLDER/up exists. /hangs reads the request and does not answer
until FOLDER/up exists. /drips sends a header line now and then, forever. /redirects leads to /ok.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[-1])
_writing = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        line = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body})
        with _writing, (FOLDER / "requests").open("a") as file:
            file.write(f"{line}\n")
        is_up = (FOLDER / "up").exists()
        if self.path == "/drips":
            self._drip()
        elif self.path == "/hangs" and not is_up:
            threading.Event().wait()
        elif self.path == "/fails" and not is_up:
            self._answer(500)
        elif self.path == "/redirects":
            self._answer(302, Location="/ok")
        else:
            self._answer(204)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-Drip: 1\r\n")
            time.sleep(0.05)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    (FOLDER / "port.new").write_text(str(server.server_address[1]))
    (FOLDER / "port.new").rename(FOLDER / "port")
    server.serve_forever()
