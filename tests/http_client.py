"""Send a request to a server that a test started, as any HTTP client does."""

import base64
import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

HOST = "127.0.0.1"
PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class Answer:
    """The server's answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Return its body."""
        return json.loads(self.text)


def ask(
    port: int,
    method: str,
    path: str,
    *,
    body: Any = None,
    form: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request: `body` as JSON, or a `form` as a browser sends it."""
    connection = HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
    kind = "application/x-www-form-urlencoded" if form is not None else "application/json"
    sent = urlencode(form) if form is not None else json.dumps(body) if body is not None else None
    try:
        connection.request(method, path, sent, {**({"Content-Type": kind} if sent else {}), **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read().decode(errors="replace"))
    finally:
        connection.close()


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header in which a browser sends a name and a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
