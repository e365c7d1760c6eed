"""Run an OpenID provider as a process of its own (`tests.identity_provider_program`), and tell it what to do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOUSE = Path(__file__).parent.parent
CLIENT, SECRET = "settle", "a secret: with/special+characters%"


@dataclass(frozen=True)
class IdentityProvider:
    """The process as tests see it."""

    issuer: str

    def set(self, **control: Any) -> None:
        """Say who signs in, and what goes wrong. What is left out goes right."""
        self._send("POST", "/control", json.dumps({"client": CLIENT, "secret": SECRET, **control}))

    def send_back(self, address: str) -> str:
        """Sign in at this address of the provider, and return where it sends the browser."""
        parts = urlsplit(address)
        back = urlsplit(self._send("GET", f"{parts.path}?{parts.query}"))
        return f"{back.path}?{back.query}"

    def _send(self, method: str, path: str, body: str = "") -> str:
        connection = HTTPConnection(urlsplit(self.issuer).netloc, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status < 400, text
            return answer.headers.get("Location", "")
        finally:
            connection.close()


@contextmanager
def running_identity_provider() -> Iterator[IdentityProvider]:
    """Run the provider. It ends when its input closes."""
    program = (sys.executable, "-m", "tests.identity_provider_program")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(program, text=True, cwd=HOUSE, **pipes) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield IdentityProvider(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()
