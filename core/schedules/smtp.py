"""One mail to one server, within a time that no server can stretch."""

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from core.settings import SMTP_PORTS

ANSWER_SECONDS: Final = 10  # for a server that says nothing
WHOLE_SECONDS: Final = 30  # for one that says a little now and then
_READY: Final = 220


class ServerAway(Exception):
    """The mail server does not answer, or not to the end."""


class MailRefused(Exception):
    """The mail server answers, and does not take this mail."""


def send(url: str, message: EmailMessage) -> None:
    """Hand the message to the server of `url`; raise `ServerAway` or `MailRefused` where it was not taken."""
    secure = ssl.create_default_context()
    # Given, since this host's name is otherwise looked up, for as long as a name server likes.
    me = socket.gethostname()
    smtp = (
        smtplib.SMTP_SSL(local_hostname=me, timeout=ANSWER_SECONDS, context=secure)
        if urlsplit(url).scheme == "smtps"
        else smtplib.SMTP(local_hostname=me, timeout=ANSWER_SECONDS)
    )
    hang_up = threading.Timer(WHOLE_SECONDS, _hang_up, [smtp])
    hang_up.start()
    try:
        _converse(smtp, url, message, secure)
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
        raise ServerAway(type(error).__name__) from None
    except smtplib.SMTPException as error:  # before OSError, which it is too
        raise MailRefused(type(error).__name__) from None
    except OSError as error:
        raise ServerAway(type(error).__name__) from None
    finally:
        hang_up.cancel()
        smtp.close()  # without a good-bye, which could hang again


def _converse(smtp: smtplib.SMTP, url: str, message: EmailMessage, secure: ssl.SSLContext) -> None:
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
    smtp.send_message(message)


def _hang_up(smtp: smtplib.SMTP) -> None:
    """End the connection under whoever reads from it."""
    connection = smtp.sock
    if connection is not None:
        with suppress(OSError):  # it may have ended by itself
            connection.shutdown(socket.SHUT_RDWR)
