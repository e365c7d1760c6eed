"""A real mail server on loopback, that does what a test tells it: takes mail, refuses it, hangs, or is down."""

import socket
import socketserver
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import Enum, auto
from typing import Any


class Mood(Enum):
    """What the server does with who comes."""

    TAKES = auto()
    REFUSES = auto()  # the recipient, with a 550
    BUSY = auto()  # says 421 and good-bye
    HANGS = auto()  # accepts the connection, and says nothing
    DRIPS = auto()  # a sign of its greeting now and then, for ever
    DRIPS_A_HANDSHAKE = auto()  # the same of an encrypted one, which it never ends
    DIES_AFTER_TAKING = auto()  # has the mail, and hangs up before it says so


@dataclass
class Letter:
    """One mail as it came, and by whom it was handed in."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    signed_in_as: str | None


@dataclass
class MailServer:
    """Listens from `up` to `down`, on one port."""

    mood: Mood = Mood.TAKES
    letters: list[Letter] = field(default_factory=list)
    visits: int = 0
    defers: str = ""  # mail for this address is to come again later, with a 451
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
    """RFC 5321, as far as smtplib speaks it."""

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
            self.wfile.write(b"\x16\x03\x03\x3f\xff")  # a record of 16 KiB, as TLS announces one
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
                self._say("550 nobody of that name")
            elif verb == "RCPT" and mails.defers and mails.defers in line:
                self._say("451 come again later")
            elif verb == "RCPT":
                recipients.append(line.partition(":")[2])
                self._say("250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                message = message_from_bytes(self._data(), policy=policy.default)
                assert isinstance(message, EmailMessage)
                mails.letters.append(Letter(sender, recipients, message, signed_in_as))
                if mails.mood is Mood.DIES_AFTER_TAKING:
                    return
                self._say("250 taken")
            else:
                self._say("250 ok")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
