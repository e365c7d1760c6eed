"""What the web asks the broker itself: whether it answers, and how many hints wait. It never waits long.

It is asked in a thread of its own: the look-up of its name may hang for longer than any time-out of a socket.
"""

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, current_app
from redis import Redis
from redis.exceptions import RedisError

from core.settings import BROKER_TRANSPORT_OPTIONS, QUEUE_CONTROL, QUEUE_SETTLE, Settings
from core.watch.asking import Asked, Silent
from webui.door import Door

ANSWER_SECONDS: Final = 1
_ASKED: Final = "settle-broker"
QUEUES: Final = (QUEUE_SETTLE, QUEUE_CONTROL)


@dataclass(frozen=True)
class Broker:
    """What a broker that answers says of itself."""

    hints_waiting: dict[str, int]  # by queue
    version: str
    memory_bytes: int


def register(app: Flask) -> None:
    """Whoever asks at once shares one question."""

    def look_now() -> Broker | None:
        made: Door = app.extensions["settle"]
        return _look(made.settings)

    app.extensions[_ASKED] = Asked(look_now, wait_seconds=ANSWER_SECONDS)


def answers() -> bool:
    """Tell whether the broker answers within a second."""
    return look() is not None


def look() -> Broker | None:
    """What the broker says; None where there is none, or none that answers within a second."""
    asked: Asked[Broker | None] = current_app.extensions[_ASKED]
    try:
        return asked.answer()
    except Silent:
        return None


def _look(settings: Settings) -> Broker | None:
    if settings.broker_url is None:
        return None
    # Celery's form of an address is not the client's.
    address = settings.broker_url.get_secret_value().replace("redis+socket://", "unix://")
    address = address.replace("virtual_host=", "db=")
    prefix = BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    try:
        with Redis.from_url(address, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS) as broker:
            lengths = {queue: int(broker.llen(f"{prefix}{queue}")) for queue in QUEUES}
            said: dict[str, Any] = broker.info()
    except (RedisError, ValueError):
        return None
    version = str(said.get("valkey_version") or said.get("redis_version") or "unknown")
    return Broker(lengths, version, int(said.get("used_memory", 0)))
