"""Events for Flower that never wait for a broker to return."""

from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher


class Dispatcher(EventDispatcher):  # type: ignore[misc]  # Celery has no types
    """Keeps an event that the broker does not take, and sends it after the broker returns."""

    def send(self, type: str, *, retry: bool = False, **fields: Any) -> Any:  # noqa: A002, ARG002  Celery's own names
        """Send an event of the worker without retries.

        Celery retries a worker's heartbeat without end, in the main thread. With a broker that hangs, that thread
        never reads that it was asked to stop.
        """
        return super().send(type, retry=False, **fields)


class Events(CeleryEvents):  # type: ignore[misc]  # Celery has no types
    """What the app makes its dispatchers with."""

    dispatcher_cls = "worker.events:Dispatcher"
