"""Events for Flower that never wait for the broker."""

from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher


class Dispatcher(EventDispatcher):  # type: ignore[misc]  # Celery has no types
    """Keeps an event that the broker does not accept, and sends it when the broker is back."""

    def send(self, type: str, *, retry: bool = False, **fields: Any) -> Any:  # noqa: A002, ARG002  Celery's own names
        """Send an event of the worker without retries.

        Celery retries a worker's heartbeat forever in the main thread. If the broker hangs, that thread never handles a
        shutdown.
        """
        return super().send(type, retry=False, **fields)


class Events(CeleryEvents):  # type: ignore[misc]  # Celery has no types
    """The class that the app creates dispatchers with."""

    dispatcher_cls = "worker.events:Dispatcher"
