"""The app as Flower is started on it: it logs in our form, and tells its figures to nobody without the password."""

import logging

from flower.views.monitor import Metrics
from kombu.entity import Queue
from tornado.web import authenticated

from core import logs
from core.settings import QUEUE_CONTROL, QUEUE_SETTLE, settings
from worker.app import app

__all__ = ["app"]


def _redact_request(record: logging.LogRecord) -> bool:
    """Of a request that was refused or broke, not its address: people search there."""
    status = record.args[0] if isinstance(record.args, tuple) and record.args else None
    record.msg, record.args = "flower_refused %s", (status if isinstance(status, int) else "a request",)
    return True


# Until it has heard from the workers it shows the queues that it knows.
app.conf.task_queues = [Queue(name) for name in (QUEUE_SETTLE, QUEUE_CONTROL)]  # type: ignore[no-untyped-call]
# It asks nobody when it sets up its logging, but leaves what it finds.
logs.configure(settings().log_level)
for name in ("tornado.general", "tornado.application"):
    logging.getLogger(name).addFilter(_redact_request)
Metrics.get = authenticated(Metrics.get)  # Flower leaves them open
