"""Run our own Valkey (or Redis) on a unix socket in a private folder."""

import socket
import time
from contextlib import suppress
from pathlib import Path

from core.errors import Refusal
from core.local import binaries
from core.local.guardian import BROKER, Child, Guardian, StopPolicy
from core.local.local_server import LocalServer
from core.local.sockets import socket_folder

_START_SECONDS = 30
_STOP_SECONDS = 10
_LOOK_SECONDS = 0.02


class BrokerFailed(Refusal):
    """The broker did not start."""


class Broker(LocalServer):
    """One server with its folder. It saves hints to disk, but losing them does no harm."""

    def __init__(self, folder: Path, guardian: Guardian, *, log: Path) -> None:
        """Keep its files in `folder`."""
        self._folder = folder.absolute()
        self._guardian = guardian
        self._log = log
        self._socket = self._folder / "socket" / "valkey"

    @property
    def url(self) -> str:
        """Return the URL for Celery, once started."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """Return the URL of one of its 64 numbered databases."""
        return f"redis+socket://{self._socket}?virtual_host={database}"

    def start(self) -> Child:
        """Start it and wait until it answers. Raise a `Refusal`."""
        program = binaries.find_broker()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket = socket_folder(self._folder / "socket") / "valkey"
        self._end_leftover()
        self._child = self._launch(program)
        until = time.monotonic() + _START_SECONDS
        while not answers(self._socket):
            if not self.child.is_running() or time.monotonic() > until:
                self.stop()
                raise BrokerFailed(f"The broker did not start. See its log: {self._log}.")
            time.sleep(_LOOK_SECONDS)
        return self._child

    def _launch(self, program: Path) -> Child:
        settings = {
            "port": "0",  # the socket only
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "proto-max-bulk-len": "1mb",  # far more than a hint has
            "databases": "64",
            "daemonize": "no",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return self._guardian.start([program, *words], log=self._log, ending=StopPolicy(stage=BROKER))

    def _end_leftover(self) -> None:
        """Stop the server of a killed run. The caller has locked the data folder, so no other run owns it."""
        with suppress(OSError):
            _ask(self._socket, b"SHUTDOWN")
        until = time.monotonic() + _STOP_SECONDS
        while answers(self._socket) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)


def answers(path: Path) -> bool:
    """Return whether a server behind the socket is ready: it answers PONG, not "loading"."""
    try:
        return _ask(path, b"PING").startswith(b"+PONG")
    except OSError:
        return False


def _ask(path: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        connection.sendall(command + b"\r\n")
        return connection.recv(100)
