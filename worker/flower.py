"""The app for Flower: it logs in our format, and requires a password for metrics."""

import logging
import time
from types import SimpleNamespace
from typing import Final

from flower import events
from flower.views.monitor import Metrics
from kombu.entity import Queue
from tornado.web import authenticated

from core import logs
from core.settings import QUEUE_CONTROL, QUEUE_SETTLE, load_settings
from worker.app import app

__all__ = ["app"]


def _redact_request(record: logging.LogRecord) -> bool:
    """Remove the address of a refused or failed request, because it may contain search terms."""
    status = record.args[0] if isinstance(record.args, tuple) and record.args else None
    record.msg, record.args = "flower_refused %s", (status if isinstance(status, int) else "a request",)
    return True


_RECONNECT_SECONDS_MAX: Final = 10


def _wait_to_reconnect(seconds: float) -> None:
    time.sleep(min(seconds, _RECONNECT_SECONDS_MAX))


# Flower doubles its wait for the broker without a limit. After an outage of an hour, it would show nothing for another.
events.time = SimpleNamespace(**{**vars(time), "sleep": _wait_to_reconnect})

# Flower shows these queues until it has heard from the workers.
app.conf.task_queues = [Queue(name) for name in (QUEUE_SETTLE, QUEUE_CONTROL)]  # type: ignore[no-untyped-call]
# Flower keeps an existing logging configuration.
logs.configure(load_settings().log_level)
for name in ("tornado.general", "tornado.application"):
    logging.getLogger(name).addFilter(_redact_request)
Metrics.get = authenticated(Metrics.get)  # by default, Flower shows metrics without a login
