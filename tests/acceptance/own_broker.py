"""A test's own broker, which the test can freeze, kill and start again without its data."""

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
MARK = "settle:mark-of-a-test"


class OwnBroker:
    """A running broker."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        """Keep the broker and the `folder` of its data."""
        self._broker = broker
        self._folder = folder
        self.url = broker.url
        self.client = broker_client(broker.url)

    def kill(self) -> None:
        """Send SIGKILL, and delete its data."""
        self.client.set(MARK, 1)
        self._broker.child.kill()
        shutil.rmtree(self._folder / MEMORY)

    def start_empty(self) -> None:
        """Start it again on the same socket, without data."""
        self._broker.start()
        assert self.client.get(MARK) is None  # it may have new keys: processes connect again at once

    def lose_everything(self) -> None:
        """Kill it and start it again without data."""
        self.kill()
        self.start_empty()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Kill it for the duration of the block, then start it again without data."""
        self.kill()
        try:
            yield
        finally:
            self.start_empty()

    @contextmanager
    def full(self) -> Iterator[None]:
        """Make it refuse messages and keep its data for the duration of the block."""
        self.client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            self.client.config_set("maxmemory", 0)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Make it accept connections without answering them for the duration of the block."""
        os.kill(self._broker.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._broker.child.pid, signal.SIGCONT)


@contextmanager
def own_broker(folder: Path) -> Iterator[OwnBroker]:
    """Start a broker. Stop it at the end."""
    with Guardian() as guardian, Broker(folder, guardian, log=folder / "broker.log") as broker:
        yield OwnBroker(broker, folder)
