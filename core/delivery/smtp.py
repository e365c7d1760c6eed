"""Send one mail to one server, within a time limit that no server can exceed.

`send` starts this file as a program, which talks to the server. The program uses only the standard library, so it
starts fast.
"""

import json
import signal
import smtplib
import socket
import ssl
import sys
from collections.abc import Sequence
from email import message_from_binary_file, policy
from email.message import EmailMessage
from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlsplit

ANSWER_SECONDS: Final = 10  # for a server that sends nothing
TOTAL_SECONDS: Final = 30  # for the name lookup, all addresses, and a server that sends a little now and then
PROGRAM: Final = (sys.executable, "-I", __file__)


class MailServerUnavailable(Exception):
    """The mail server did not answer, or its answer was incomplete."""


class MailRefused(Exception):
    """The mail server answered and refused this e-mail."""


def send(url: str, message: EmailMessage, *, to: Sequence[str]) -> list[str]:
    """Send the message through the server at `url` to these addresses. Return the refused addresses.

    Raise `MailServerUnavailable`, and `MailRefused` if all were refused.
    """
    # Not at the top, because the program runs without the product.
    from core.delivery import limited_program
    from core.delivery.limited_program import TimeExceeded
    from core.settings import SMTP_PORTS

    order = {
        "url": url, "port": urlsplit(url).port or SMTP_PORTS[urlsplit(url).scheme], "to": list(to),
        "answer_seconds": ANSWER_SECONDS, "total_seconds": TOTAL_SECONDS,
    }  # fmt: skip
    try:
        answer = limited_program.run(PROGRAM, order, message.as_bytes())
    except TimeExceeded:
        raise MailServerUnavailable("TimeoutError") from None
    if "unavailable" in answer:
        raise MailServerUnavailable(answer["unavailable"])
    if "refusal" in answer:
        raise MailRefused(answer["refusal"])
    return [address for address in to if address in answer["refused"]]


def _deliver(order: dict[str, Any], message: EmailMessage) -> dict[str, Any]:
    server, secure = urlsplit(order["url"]), ssl.create_default_context()
    # Pass the host name, because smtplib would otherwise look it up and wait for the name server.
    options = {"local_hostname": socket.gethostname(), "timeout": order["answer_seconds"]}
    connect = partial(smtplib.SMTP_SSL, context=secure) if server.scheme == "smtps" else smtplib.SMTP
    smtp = connect(server.hostname or "", order["port"], **options)
    if server.scheme == "smtp+starttls":
        smtp.starttls(context=secure)
    if server.username:
        smtp.login(unquote(server.username), unquote(server.password or ""))
    return {"refused": list(smtp.send_message(message, to_addrs=order["to"]))}  # without QUIT, which could hang again


def _run() -> None:
    order = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends this process
    signal.setitimer(signal.ITIMER_REAL, order["total_seconds"])
    message = message_from_binary_file(sys.stdin.buffer, policy=policy.default)
    try:
        answer = _deliver(order, message)
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
        answer = {"unavailable": type(error).__name__}
    except Exception as error:  # noqa: BLE001  the parent raises it by its class
        is_refusal = isinstance(error, smtplib.SMTPException) or not isinstance(error, OSError)
        answer = {"refusal" if is_refusal else "unavailable": type(error).__name__}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _run()
