"""The app as Flower is started on it: it logs in our form, and tells its figures to nobody without the password."""

import logging

from flower.views.monitor import Metrics
from tornado.web import authenticated

from core import logs
from core.settings import settings
from worker.app import app

__all__ = ["app"]


def _without_the_request(record: logging.LogRecord) -> bool:
    """Of a request that was refused or broke, not its address: people search there."""
    status = record.args[0] if isinstance(record.args, tuple) and record.args else None
    record.msg, record.args = "flower_refused %s", (status if isinstance(status, int) else "a request",)
    return True


# Flower asks nobody when it sets up its logging, but leaves what it finds.
logs.configure(settings().log_level)
for name in ("tornado.general", "tornado.application"):
    logging.getLogger(name).addFilter(_without_the_request)
Metrics.get = authenticated(Metrics.get)  # Flower leaves them open
