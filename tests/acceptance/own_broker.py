"""A broker of a test's own, which may be frozen, killed, and come back without any memory."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.local.broker import Broker
from core.local.guardian import Guardian
from tests.servers import broker_client

MEMORY = "appendonlydir"


class OwnBroker:
    """A running broker."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        """`folder` is where it keeps what it remembers."""
        self._broker = broker
        self._folder = folder
        self.url = broker.url
        self.client = broker_client(broker.url)

    def kill(self) -> None:
        """SIGKILL, and whatever it had on disk is gone."""
        self._broker.child.kill()
        shutil.rmtree(self._folder / MEMORY)

    def start_empty(self) -> None:
        """Start it again, on the same socket, remembering nothing."""
        self._broker.start()
        assert self.client.dbsize() == 0

    def lose_everything(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start_empty()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """It is dead for as long as the block lasts, and comes back without any memory."""
        self.kill()
        try:
            yield
        finally:
            self.start_empty()

    @contextmanager
    def full(self) -> Iterator[None]:
        """It takes no message and keeps what it has, for as long as the block lasts."""
        self.client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            self.client.config_set("maxmemory", 0)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and answers nobody, for as long as the block lasts."""
        os.kill(self._broker.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._broker.child.pid, signal.SIGCONT)


@contextmanager
def own_broker(folder: Path) -> Iterator[OwnBroker]:
    """Start one; it is gone at the end."""
    with Guardian() as guardian, Broker(folder, guardian, log=folder / "broker.log") as broker:
        yield OwnBroker(broker, folder)
