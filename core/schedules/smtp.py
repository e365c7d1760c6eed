"""One mail to one server, within a time that no server can stretch."""

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

ANSWER_SECONDS: Final = 10  # for a server that says nothing
CONNECT_SECONDS: Final = 15  # for all of its addresses, and for its name to be found
WHOLE_SECONDS: Final = 30  # for one that says a little now and then
_READY: Final = 220


class ServerAway(Exception):
    """The mail server does not answer, or not to the end."""


class MailRefused(Exception):
    """The mail server answers, and does not take this mail."""


def send(url: str, message: EmailMessage, *, to: Sequence[str]) -> list[str]:
    """Hand the message to the server of `url`, for these addresses; give those for which it was not taken.

    Raises `ServerAway` and `MailRefused` where it was taken for none.
    """
    secure = ssl.create_default_context()
    # Given, since this host's name is otherwise looked up, for as long as a name server likes.
    me = socket.gethostname()
    smtp = (
        _SecureConversation(local_hostname=me, timeout=ANSWER_SECONDS, context=secure)
        if urlsplit(url).scheme == "smtps"
        else _Conversation(local_hostname=me, timeout=ANSWER_SECONDS)
    )
    hang_up = threading.Timer(WHOLE_SECONDS, smtp.hang_up)
    hang_up.start()
    try:
        return _converse(smtp, url, message, secure, to)
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
        raise ServerAway(type(error).__name__) from None
    except smtplib.SMTPException as error:  # before OSError, which it is too
        raise MailRefused(type(error).__name__) from None
    except OSError as error:
        raise ServerAway(type(error).__name__) from None
    finally:
        hang_up.cancel()
        smtp.close()  # without a good-bye, which could hang again


class _Conversation(smtplib.SMTP):
    """A conversation whose connection has a deadline, and that can be ended from outside at any moment of it."""

    _line: socket.socket | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect in a thread of its own: neither a name server nor a row of dead addresses can be hurried."""
        connected: Future[socket.socket] = Future()
        threading.Thread(target=_connect, args=(connected, host, port, timeout), name="smtp", daemon=True).start()
        try:
            connection = connected.result(CONNECT_SECONDS)
        except TimeoutError:
            connected.add_done_callback(_close)
            raise
        self._line = connection.dup()  # a handshake takes the connection away from its object, and may hang too
        return connection

    def hang_up(self) -> None:
        """End the connection under whoever reads from it."""
        if self._line is not None:
            with suppress(OSError):  # it may have ended by itself
                self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        super().close()
        if self._line is not None:
            self._line.close()


class _SecureConversation(smtplib.SMTP_SSL, _Conversation):
    """The same, encrypted from its first byte."""


def _connect(connected: Future[socket.socket], host: str, port: int, timeout: float) -> None:
    try:
        connected.set_result(socket.create_connection((host, port), timeout))
    except Exception as error:  # noqa: BLE001  whoever waits for it gets it
        connected.set_exception(error)


def _close(late: Future[socket.socket]) -> None:
    if late.exception() is None:
        late.result().close()


def _converse(
    smtp: _Conversation, url: str, message: EmailMessage, secure: ssl.SSLContext, to: Sequence[str]
) -> list[str]:
    server = urlsplit(url)
    host = server.hostname or ""
    smtp._host = host  # type: ignore[attr-defined]  # what the certificate must name; only the constructor sets it
    code, said = smtp.connect(host, server.port or SMTP_PORTS[server.scheme])
    if code != _READY:
        raise smtplib.SMTPConnectError(code, said)
    if server.scheme == "smtp+starttls":
        smtp.starttls(context=secure)
    if server.username:
        smtp.login(unquote(server.username), unquote(server.password or ""))
    refused = smtp.send_message(message, to_addrs=to)
    return [address for address in to if address in refused]
