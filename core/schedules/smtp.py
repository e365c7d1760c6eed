"""Send one mail to one server, within a time limit that no server can exceed."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from core.settings import SMTP_PORTS

ANSWER_SECONDS: Final = 10  # for a server that sends nothing
CONNECT_SECONDS: Final = 15  # for the name lookup and all addresses
TOTAL_SECONDS: Final = 30  # for a server that sends a little now and then
_READY: Final = 220


class MailServerUnavailable(Exception):
    """The mail server did not answer, or its answer was incomplete."""


class MailRefused(Exception):
    """The mail server answered and refused this e-mail."""


def send(url: str, message: EmailMessage, *, to: Sequence[str]) -> list[str]:
    """Send the message through the server at `url` to these addresses. Return the refused addresses.

    Raise `MailServerUnavailable`, and `MailRefused` if all were refused.
    """
    secure = ssl.create_default_context()
    # Passed explicitly, because smtplib would look up this host's name for as long as a name server takes.
    me = socket.gethostname()
    smtp = (
        _SmtpTlsConnection(local_hostname=me, timeout=ANSWER_SECONDS, context=secure)
        if urlsplit(url).scheme == "smtps"
        else _SmtpConnection(local_hostname=me, timeout=ANSWER_SECONDS)
    )
    hang_up = threading.Timer(TOTAL_SECONDS, smtp.hang_up)
    hang_up.start()
    try:
        return _deliver(smtp, url, message, secure, to)
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
        raise MailServerUnavailable(type(error).__name__) from None
    except smtplib.SMTPException as error:  # before OSError, which is its base class
        raise MailRefused(type(error).__name__) from None
    except OSError as error:
        raise MailServerUnavailable(type(error).__name__) from None
    finally:
        hang_up.cancel()
        smtp.close()  # without QUIT, which could hang again


class _SmtpConnection(smtplib.SMTP):
    """A conversation whose connection has a deadline and can be ended from outside at any time."""

    _line: socket.socket | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect in a thread of its own, because a name server or a list of dead addresses cannot be hurried."""
        connected: Future[socket.socket] = Future()
        threading.Thread(target=_connect, args=(connected, host, port, timeout), name="smtp", daemon=True).start()
        try:
            connection = connected.result(CONNECT_SECONDS)
        except TimeoutError:
            connected.add_done_callback(_close)
            raise
        self._line = connection.dup()  # a TLS handshake takes the socket away from its object, and may hang too
        return connection

    def hang_up(self) -> None:
        """Shut down the connection while another thread reads from it."""
        if self._line is not None:
            with suppress(OSError):  # it may have ended already
                self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        super().close()
        if self._line is not None:
            self._line.close()


class _SmtpTlsConnection(smtplib.SMTP_SSL, _SmtpConnection):
    """A conversation that is encrypted from its first byte."""


def _connect(connected: Future[socket.socket], host: str, port: int, timeout: float) -> None:
    try:
        connected.set_result(socket.create_connection((host, port), timeout))
    except Exception as error:  # noqa: BLE001  raised again in the waiting thread
        connected.set_exception(error)


def _close(late: Future[socket.socket]) -> None:
    if late.exception() is None:
        late.result().close()


def _deliver(
    smtp: _SmtpConnection, url: str, message: EmailMessage, secure: ssl.SSLContext, to: Sequence[str]
) -> list[str]:
    server = urlsplit(url)
    host = server.hostname or ""
    smtp._host = host  # type: ignore[attr-defined]  # what the certificate must name; only the constructor sets it
    code, reply = smtp.connect(host, server.port or SMTP_PORTS[server.scheme])
    if code != _READY:
        raise smtplib.SMTPConnectError(code, reply)
    if server.scheme == "smtp+starttls":
        smtp.starttls(context=secure)
    if server.username:
        smtp.login(unquote(server.username), unquote(server.password or ""))
    refused = smtp.send_message(message, to_addrs=to)
    return [address for address in to if address in refused]
