"""Send one request to a webhook, within a time limit that no receiver can exceed.

`send` starts this module as a program. It looks up the name, checks each address, and connects to an address that it
checked. It follows no redirect, uses no proxy, and does not read the body of the answer.
"""

import json
import socket
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from core.delivery import limited_program
from core.delivery.limited_program import ProgramKilled, TimeExceeded
from core.notices.webhook_address import BadWebhookUrl, WebhookReach, check_address

CONNECT_SECONDS: Final = 3
ANSWER_SECONDS: Final = 5  # for a receiver that sends nothing
TOTAL_SECONDS: Final = 10  # for the name lookup, all addresses, and a receiver that sends a little now and then
PROGRAM: Final = (sys.executable, "-I", "-m", "core.delivery.post")


def send(url: str, headers: Mapping[str, str], body: bytes, *, reach: WebhookReach) -> str:
    """Post the body. Return "HTTP 204" or the like, or a code for why no answer came."""
    order = {
        "url": url, "headers": dict(headers), "reach": reach, "connect_seconds": CONNECT_SECONDS,
        "answer_seconds": ANSWER_SECONDS, "total_seconds": TOTAL_SECONDS,
    }  # fmt: skip
    try:
        return str(limited_program.run(PROGRAM, order, body)["result"])
    except TimeExceeded:
        return "timeout"
    except ProgramKilled:
        return "no_connection"


def _post(order: dict[str, Any], body: bytes) -> str:
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
        except httpx.TimeoutException:
            return "timeout"
        except httpx.TransportError as error:
            return "bad_certificate" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "no_connection"
        answer.close()
    return f"HTTP {answer.status_code}"


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
        result = _post(order, sys.stdin.buffer.read())
    except BadWebhookUrl:
        result = "address_refused"
    except socket.gaierror:
        result = "unknown_host"
    except Exception as error:  # noqa: BLE001  the parent stores its class
        result = type(error).__name__
    sys.stdout.write(json.dumps({"result": result}))


if __name__ == "__main__":
    _run()
