"""Send one request to another server, within a time limit that the server cannot exceed.

`send` and `fetch` start this module as a program. It looks up the name, checks each address, and connects to an address
that it checked. It follows no redirect, uses no proxy, and limits how much of the answer it reads.
"""

import json
import socket
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
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
    import httpx  # only the program needs it

    parts = urlsplit(order["url"])
    host, port = parts.hostname or "", parts.port or {"https": 443, "http": 80}[parts.scheme]
    address = _checked_address(host, port, order["reach"])
    # Connect to the checked address. The certificate is checked for the name.
    netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    headers = {**order["headers"], "Host": parts.netloc}
    limits = httpx.Timeout(order["answer_seconds"], connect=order["connect_seconds"])
    with httpx.Client(timeout=limits, follow_redirects=False, trust_env=False) as client:
        request = client.build_request(
            order["method"], parts._replace(netloc=netloc).geturl(), headers=headers, content=body,
            extensions={"sni_hostname": host},
        )  # fmt: skip
        try:
            answer = client.send(request, stream=True)
            content = _read(answer, order["bytes_max"])
            answer.close()
        except httpx.TimeoutException:
            return Answer("timeout")
        except httpx.TransportError as error:
            return Answer("bad_certificate" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "no_connection")
    return Answer("too_large") if content is None else Answer(f"HTTP {answer.status_code}", content)


def _read(answer: Any, bytes_max: int) -> bytes | None:
    """Return the content of the answer, or None if it is longer."""
    read = b""
    for piece in answer.iter_bytes() if bytes_max else ():
        read += piece
        if len(read) > bytes_max:
            return None
    return read


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
