"""Send one request to a webhook or a time-stamping authority, within a time limit that no receiver can exceed.

`send` starts this module as a program. It looks up the name, checks each address, and connects to an address that it
checked. It follows no redirect and uses no proxy. It reads no body of an answer unless asked to.
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
PROGRAM: Final = (sys.executable, "-I", "-m", "core.delivery.post")


class Answer(NamedTuple):
    """The result is "HTTP 204" or the like, or a code for why no answer came."""

    result: str
    body: bytes = b""


def send(url: str, headers: Mapping[str, str], body: bytes, *, reach: WebhookReach, bytes_max: int = 0) -> Answer:
    """Post the body. Return the answer with at most `bytes_max` bytes of its body."""
    order = {
        "url": url, "headers": dict(headers), "reach": reach, "connect_seconds": CONNECT_SECONDS,
        "answer_seconds": ANSWER_SECONDS, "total_seconds": TOTAL_SECONDS, "bytes_max": bytes_max,
    }  # fmt: skip
    try:
        answer = limited_program.run(PROGRAM, order, body)
    except TimeExceeded:
        return Answer("timeout")
    except ProgramKilled:
        return Answer("no_connection")
    return Answer(str(answer["result"]), b64decode(answer.get("body", "")))


def _post(order: dict[str, Any], body: bytes) -> Answer:
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
            "POST", parts._replace(netloc=netloc).geturl(), headers=headers, content=body,
            extensions={"sni_hostname": host},
        )  # fmt: skip
        try:
            answer = client.send(request, stream=True)
            read = b""
            for piece in answer.iter_raw() if order["bytes_max"] else ():
                read += piece
                if len(read) >= order["bytes_max"]:
                    break
        except httpx.TimeoutException:
            return Answer("timeout")
        except httpx.TransportError as error:
            return Answer("bad_certificate" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "no_connection")
        answer.close()
    return Answer(f"HTTP {answer.status_code}", read[: order["bytes_max"]])


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
        answer = _post(order, sys.stdin.buffer.read())
    except BadWebhookUrl:
        answer = Answer("address_refused")
    except socket.gaierror:
        answer = Answer("unknown_host")
    except Exception as error:  # noqa: BLE001  the parent stores its class
        answer = Answer(type(error).__name__)
    sys.stdout.write(json.dumps({"result": answer.result, "body": b64encode(answer.body).decode()}))


if __name__ == "__main__":
    _run()
