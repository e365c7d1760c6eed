"""Accidents of a soak: to workers, their connections, and the broker. The product can recover from each."""

import random
import time
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError
from sqlalchemy import text

from tests.acceptance.own_broker import OwnBroker
from tests.acceptance.product import Product

FREEZE_SECONDS = (0.5, 4.0)
BROKER_AWAY_SECONDS = (5.0, 30.0)  # longer than every client timeout

_CUT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
)


class Accidents:
    """Accidents to one product, and the repairs that a supervisor would make."""

    def __init__(self, product: Product, broker: OwnBroker) -> None:
        """Set up without causing an accident."""
        self._product = product
        self._broker = broker
        self._broker_returns_at: float | None = None
        self._all: dict[str, Callable[[], None]] = {
            "workers killed": self._kill_the_workers,
            "worker frozen": self._freeze_a_worker,
            "hints forgotten": self._forget_every_hint,
            "database connections cut": self._cut_every_connection,
            "broker connections cut": self._cut_the_brokers_connections,
            "broker stayed away": self.take_the_broker_away,
            "broker hung": self._freeze_the_broker,
        }

    @property
    def broker_is_away(self) -> bool:
        """Return whether the broker is down."""
        return self._broker_returns_at is not None

    def take_the_broker_away(self, *, seconds: float | None = None) -> None:
        """Stop the broker. `repair` restarts it after the given number of seconds, which is random by default."""
        if not self.broker_is_away:
            self._broker.kill()
            self._broker_returns_at = time.monotonic() + (seconds or random.uniform(*BROKER_AWAY_SECONDS))

    def happen(self) -> str:
        """Cause one accident at random and return its name."""
        name = random.choice(list(self._all))
        with suppress(RedisError):  # an accident to a broker that is down has no effect
            self._all[name]()
        return name

    def repair(self, *, now: bool = False) -> None:
        """Restart workers that ended, and the broker after its downtime (or immediately with `now`)."""
        if self._broker_returns_at is not None and (now or time.monotonic() >= self._broker_returns_at):
            self._broker_returns_at = None
            self._broker.start_empty()
        self._product.workers.keep_up()

    def _kill_the_workers(self) -> None:
        self._product.workers.kill()
        self._product.workers.begin()

    def _freeze_a_worker(self) -> None:
        workers = self._product.workers
        worker = random.choice([workers.settle, workers.control])
        # The worker may end by itself between the check and the signal.
        with suppress(ProcessLookupError):
            worker.freeze()
            try:
                time.sleep(random.uniform(*FREEZE_SECONDS))
            finally:
                worker.thaw()

    def _freeze_the_broker(self) -> None:
        if not self.broker_is_away:
            with self._broker.frozen():
                time.sleep(random.uniform(*FREEZE_SECONDS))

    def _forget_every_hint(self) -> None:
        self._broker.client.flushall()

    def _cut_the_brokers_connections(self) -> None:
        self._broker.client.execute_command("CLIENT KILL TYPE normal")

    def _cut_every_connection(self) -> None:
        with self._product.engine.connect() as connection:
            connection.execute(_CUT)
