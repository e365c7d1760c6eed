"""A real mail server on loopback that does what the test sets: accepts mail, refuses it, hangs, or is down."""

import socket
import socketserver
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import Enum, auto
from typing import Any


class Mood(Enum):
    """How the server treats a client."""

    TAKES = auto()
    REFUSES = auto()  # rejects the recipient with a 550
    BUSY = auto()  # answers 421 and closes the connection
    HANGS = auto()  # accepts the connection and sends nothing
    DRIPS = auto()  # sends a piece of its greeting now and then, forever
    DRIPS_A_HANDSHAKE = auto()  # sends pieces of a TLS handshake, forever
    DIES_AFTER_TAKING = auto()  # accepts the mail and disconnects before it answers


@dataclass
class Letter:
    """One mail as received, and the user who submitted it."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    signed_in_as: str | None


@dataclass
class MailServer:
    """A server that listens on one port from `up` to `down`."""

    mood: Mood = Mood.TAKES
    letters: list[Letter] = field(default_factory=list)
    visits: int = 0
    defers: str = ""  # mail to this address is deferred with a 451
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    _server: socketserver.ThreadingTCPServer | None = None

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def up(self) -> None:
        mails = self

        class Conversation(_Conversation):
            server_of_test = mails

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.released.clear()
        self._server = Server(("127.0.0.1", self.port), Conversation)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Conversation(socketserver.StreamRequestHandler):
    """RFC 5321, as far as smtplib needs it."""

    server_of_test: Any
    timeout = 60

    def handle(self) -> None:
        mails: MailServer = self.server_of_test
        mails.visits += 1
        if mails.mood is Mood.HANGS:
            mails.released.wait()
            return
        if mails.mood is Mood.DRIPS:
            while not mails.released.wait(0.05):
                self.wfile.write(b"220-hm\r\n")
            return
        if mails.mood is Mood.DRIPS_A_HANDSHAKE:
            self.wfile.write(b"\x16\x03\x03\x3f\xff")  # a record of 16 KiB, as announced by TLS
            while not mails.released.wait(0.05):
                self.wfile.write(b"\x00")
            return
        if mails.mood is Mood.BUSY:
            self._say("421 too many")
            return
        self._say("220 mail.example at your service")
        self._converse(mails)

    def _converse(self, mails: MailServer) -> None:
        sender, recipients, signed_in_as = "", [], None
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "EHLO":
                self._say("250-mail.example", "250 AUTH PLAIN")
            elif verb == "AUTH":
                signed_in_as = line.split()[-1]
                self._say("235 welcome")
            elif verb == "MAIL":
                sender = line.partition(":")[2].split()[0]
                self._say("250 ok")
            elif verb == "RCPT" and mails.mood is Mood.REFUSES:
                self._say("550 no such mailbox")
            elif verb == "RCPT" and mails.defers and mails.defers in line:
                self._say("451 try again later")
            elif verb == "RCPT":
                recipients.append(line.partition(":")[2])
                self._say("250 ok")
            elif verb == "DATA":
                self._say("354 send the message")
                message = message_from_bytes(self._data(), policy=policy.default)
                assert isinstance(message, EmailMessage)
                mails.letters.append(Letter(sender, recipients, message, signed_in_as))
                if mails.mood is Mood.DIES_AFTER_TAKING:
                    return
                self._say("250 accepted")
            else:
                self._say("250 ok")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
