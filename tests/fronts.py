"""A TCP address in front of a server's socket, with or without TLS. The servers from the wheels do not support TLS."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

HOST = "127.0.0.1"
SSL_REQUEST = struct.pack("!II", 8, 80_877_103)
GSS_REQUEST = struct.pack("!II", 8, 80_877_104)


@dataclass(frozen=True)
class Authority:
    """A test's certificate authority, and a server certificate for the name `localhost`."""

    ca_file: Path
    context: ssl.SSLContext

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """Create the authority and write its certificate to `folder`."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        folder.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        return cls(folder / "ca.pem", context)


Greet = Callable[[socket.socket], socket.socket]


def plain(client: socket.socket) -> socket.socket:
    """Accept the connection without TLS."""
    return client


def tls(authority: Authority) -> Greet:
    """Use TLS from the first byte, as Redis does."""
    return lambda client: _wrapped(client, authority)


def postgres_tls(authority: Authority) -> Greet:
    """Use TLS when the client requests it, as PostgreSQL does."""

    def greet(client: socket.socket) -> socket.socket:
        while (asked := client.recv(8, socket.MSG_PEEK)) in {SSL_REQUEST, GSS_REQUEST}:
            client.recv(8)
            client.sendall(b"S" if asked == SSL_REQUEST else b"N")
            if asked == SSL_REQUEST:
                return _wrapped(client, authority)
        return client

    return greet


def _wrapped(client: socket.socket, authority: Authority) -> ssl.SSLSocket:
    spoken = authority.context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
    try:
        spoken.do_handshake()
    except OSError:
        spoken.close()  # the TLS wrapper now owns the socket
        raise
    return spoken


@contextmanager
def front(target: Path, greet: Greet = plain) -> Iterator[int]:
    """Listen on a local port and forward each connection to the socket at `target`. Yield the port."""
    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=_accept_until_closed, args=(listener, target, greet), daemon=True).start()
        yield listener.getsockname()[1]


def _accept_until_closed(listener: socket.socket, target: Path, greet: Greet) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, target, greet), daemon=True).start()


def _serve(client: socket.socket, target: Path, greet: Greet) -> None:
    with closing(client), suppress(OSError), closing(greet(client)) as spoken, socket.socket(socket.AF_UNIX) as server:
        server.connect(str(target))
        answers = threading.Thread(target=_pump, args=(server, spoken), daemon=True)
        answers.start()
        _pump(spoken, server)
        answers.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while sent := source.recv(65_536):
            sink.sendall(sent)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
