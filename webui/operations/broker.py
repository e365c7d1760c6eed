"""Query the broker from the web: whether it answers, and its queue depth. It never waits long.

The query runs in its own thread, because a name lookup may take longer than any socket time-out.
"""

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, current_app
from redis import Redis
from redis.exceptions import NoPermissionError, RedisError

from core.broker import causes
from core.causes import Cause
from core.settings import BROKER_TRANSPORT_OPTIONS, QUEUE_CONTROL, QUEUE_SETTLE, Settings
from core.watch.deadline import DeadlineCall, TimedOut
from webui.shared.app_context import AppContext

ANSWER_SECONDS: Final = 1
_EXTENSION_KEY: Final = "settle-broker"
QUEUES: Final = (QUEUE_SETTLE, QUEUE_CONTROL)


@dataclass(frozen=True)
class BrokerStatus:
    """The state of a broker that answers."""

    hints_waiting: dict[str, int]  # by queue
    version: str
    memory_bytes: int | None  # None if the user lacks the permission


def register(app: Flask) -> None:
    """Let simultaneous requests share one query."""

    def look_now() -> BrokerStatus | Cause:
        made: AppContext = app.extensions["settle"]
        return _query_broker(made.settings)

    app.extensions[_EXTENSION_KEY] = DeadlineCall(look_now, wait_seconds=ANSWER_SECONDS)


def is_reachable() -> bool:
    """Return whether the broker answers within a second."""
    return failure_cause() is None


def fetch_status() -> BrokerStatus | None:
    """Return the broker's state, or None without a broker or an answer within a second."""
    seen = _shared_answer()
    return seen if isinstance(seen, BrokerStatus) else None


def failure_cause() -> Cause | None:
    """Return why the broker is unavailable, or None if it answers."""
    seen = _shared_answer()
    return seen if isinstance(seen, Cause) else None


def _shared_answer() -> BrokerStatus | Cause:
    call: DeadlineCall[BrokerStatus | Cause] = current_app.extensions[_EXTENSION_KEY]
    try:
        return call.answer()
    except TimedOut:
        return causes.TIMED_OUT


def _query_broker(settings: Settings) -> BrokerStatus | Cause:
    if settings.broker_url is None:
        return causes.NOT_CONFIGURED
    # Celery and the client write the address differently.
    address = settings.broker_url.get_secret_value().replace("redis+socket://", "unix://")
    address = address.replace("virtual_host=", "db=")
    prefix = BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    try:
        with Redis.from_url(address, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS) as broker:
            lengths = {queue: int(broker.llen(f"{prefix}{queue}")) for queue in QUEUES}
            info = _server_info(broker)
    except (RedisError, ValueError) as error:
        return causes.diagnose(error)
    version = str(info.get("valkey_version") or info.get("redis_version") or "unknown")
    memory = info.get("used_memory")
    return BrokerStatus(lengths, version, None if memory is None else int(memory))


def _server_info(broker: Redis) -> dict[str, Any]:
    """Return the broker's INFO, or nothing if the user lacks permission. Hints do not need it."""
    try:
        info: dict[str, Any] = broker.info()
    except NoPermissionError:
        return {}
    return info
