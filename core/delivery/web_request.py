"""Send one request to another server, within a time limit that the server cannot exceed.

`send` and `fetch` start this module as a program. It looks up the name, checks each address, and connects to an address
that it checked. It follows no redirect, uses no proxy, and limits how much of the answer it reads. It uses the standard
library, so it starts fast.
"""

import json
import socket
import ssl
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from core.delivery import limited_program
from core.delivery.limited_program import ProgramKilled, TimeExceeded
from core.notices.webhook_address import BadWebhookUrl, WebhookReach, check_address

CONNECT_SECONDS: Final = 3
ANSWER_SECONDS: Final = 5  # for a receiver that sends nothing
TOTAL_SECONDS: Final = 10  # for the name lookup, all addresses, and a receiver that sends a little now and then
PROGRAM: Final = (sys.executable, "-I", "-m", "core.delivery.web_request")


class Answer(NamedTuple):
    """What the server answered: "HTTP 200" or the like, or a code for why no answer came; and the bytes read."""

    result: str
    content: bytes = b""


def send(url: str, headers: Mapping[str, str], body: bytes, *, reach: WebhookReach) -> str:
    """Post the body to a webhook. Return "HTTP 204" or the like, or a code for why no answer came."""
    return fetch("POST", url, headers, body, reach=reach, bytes_max=0, seconds=TOTAL_SECONDS).result


def fetch(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    reach: WebhookReach,
    bytes_max: int,
    seconds: float,
) -> Answer:
    """Send the request, and read up to `bytes_max` bytes of the answer. A longer one is "too_large"."""
    order = {
        "method": method, "url": url, "headers": dict(headers), "reach": reach, "bytes_max": bytes_max,
        "connect_seconds": CONNECT_SECONDS, "answer_seconds": ANSWER_SECONDS, "total_seconds": seconds,
    }  # fmt: skip
    try:
        answer = limited_program.run(PROGRAM, order, body)
    except TimeExceeded:
        return Answer("timeout")
    except ProgramKilled:
        return Answer("no_connection")
    return Answer(answer["result"], b64decode(answer["content"]))


def _request(order: dict[str, Any], body: bytes) -> Answer:
    parts = urlsplit(order["url"])
    host, port = parts.hostname or "", parts.port or {"https": 443, "http": 80}[parts.scheme]
    address = _checked_address(host, port, order["reach"])
    connection = HTTPConnection(host, port)
    try:
        # Connect to the checked address. The certificate is checked for the name.
        connection.sock = socket.create_connection((address, port), timeout=order["connect_seconds"])
        connection.sock.settimeout(order["answer_seconds"])
        if parts.scheme == "https":
            # Trust this machine's certificates, or those in SSL_CERT_FILE.
            secure = ssl.create_default_context()
            connection.sock = secure.wrap_socket(connection.sock, server_hostname=host)
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request(
            order["method"],
            target,
            body or None,
            {"User-Agent": "Batch-Settle", **order["headers"], "Host": parts.netloc},
        )
        answer = connection.getresponse()
        content = answer.read(order["bytes_max"] + 1) if order["bytes_max"] else b""
    except TimeoutError:
        return Answer("timeout")
    except ssl.SSLCertVerificationError:
        return Answer("bad_certificate")
    except (OSError, HTTPException):
        return Answer("no_connection")
    return Answer("too_large") if len(content) > order["bytes_max"] else Answer(f"HTTP {answer.status}", content)


def _checked_address(host: str, port: int, reach: WebhookReach) -> str:
    """Return the address to connect to. Raise if any address of the name is refused."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        check_address(address, reach=reach)
    return found[0]


def _run() -> None:
    order = json.loads(sys.stdin.buffer.readline())
    limited_program.start_timer(order["total_seconds"])
    try:
        answer = _request(order, sys.stdin.buffer.read())
    except BadWebhookUrl:
        answer = Answer("address_refused")
    except socket.gaierror:
        answer = Answer("unknown_host")
    except Exception as error:  # noqa: BLE001  the parent stores its class
        answer = Answer(type(error).__name__)
    sys.stdout.write(json.dumps({"result": answer.result, "content": b64encode(answer.content).decode()}))


if __name__ == "__main__":
    _run()
