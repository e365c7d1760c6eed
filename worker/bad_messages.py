"""Drop what is not a hint, and refuse commands, because either would end a worker or change it.

A user of the broker can write anything into its queues. The database decides what a task may do, and no message does.
"""

import json
from typing import Any, Final

import structlog
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.control import Panel
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel as RedisChannel, Transport as RedisTransport

# What Flower reads. Others, such as shutdown, pool_grow and rate_limit, would control the worker.
COMMANDS: Final = frozenset(
    {"stats", "active_queues", "registered", "scheduled", "active", "reserved", "revoked", "conf", "ping"}
)

log: Final = structlog.get_logger(__name__)


class Channel(RedisChannel):
    """Drops what is not JSON. Celery's own channel ends the worker."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("message_dropped", error=type(error).__name__)
            return True


class Transport(RedisTransport):
    """Drops JSON that is not a message."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        try:
            self.Channel.Message(message, channel=self.channels[0])  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001  kombu raises whatever its own code runs into
            log.warning("message_dropped", error=type(error).__name__)
            return
        super()._deliver(message, queue)  # type: ignore[no-untyped-call]


class Consumer(CeleryConsumer):  # type: ignore[misc]  # Celery has no types
    """Drops a message whose headers no process of the product sends."""

    def create_task_handler(self, *args: Any, **options: Any) -> Any:
        """Return the function that receives each message."""
        receive = super().create_task_handler(*args, **options)

        def receive_hint(message: Any) -> None:
            if _is_hint(message):
                receive(message)
            else:
                log.warning("message_dropped", error="not_a_hint")
                message.ack_log_error(log, self.connection_errors)

        return receive_hint


def _is_hint(message: Any) -> bool:
    headers = message.headers
    try:
        arguments, options, _ = message.payload
    except Exception:  # noqa: BLE001  the decoders of kombu raise many kinds
        return False
    return (
        isinstance(arguments, list)
        and isinstance(options, dict)
        and isinstance(headers, dict)
        and all(isinstance(headers.get(name), str) for name in ("task", "id"))
        and isinstance(headers.get("retries", 0), int)
        # A bad time limit would leave its message reserved, and the worker would accept no other one.
        and headers.get("eta") is None
        and headers.get("timelimit") in (None, [None, None])
    )


def install() -> None:
    """Make this process's Celery use them."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))
    for command in Panel.data.keys() - COMMANDS:
        del Panel.data[command]
    # Flower asks for it once. Without the command, Celery would log an error. Workers send heartbeats anyway.
    Panel.data["heartbeat"] = lambda _state: None
