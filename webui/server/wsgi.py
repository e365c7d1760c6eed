"""The application for a web server, with logs in our format and a heartbeat."""

import logging
from typing import Any, Final

from flask import Flask
from gunicorn.glogging import Logger

from core import logs, zone_database
from core.settings import load_settings
from core.watch import heartbeat
from core.watch.pulse import HeartbeatThread
from webui.app import create_app
from webui.shared.app_context import AppContext, utc_now

# How log lines begin in which gunicorn and waitress repeat parts of a request.
_PREFIXES_OF_REQUEST_LINES: Final = (
    "Invalid request", "Error handling request", "Invalid", "Exception while serving",
    "Client disconnected while serving", "uncaptured python exception",
)  # fmt: skip


def application() -> Flask:
    """Create the application of one web process, after the fork."""
    logs.configure(load_settings().log_level)
    _redact_waitress_logs()
    zone_database.log_at_start(now=utc_now())
    app = create_app()
    door: AppContext = app.extensions["settle"]
    me = heartbeat.this_process(heartbeat.WEB, started_at=utc_now(), threads=door.settings.web_threads)
    HeartbeatThread(door.unscoped, me, clock=utc_now).start()
    return app


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log in our format, without the content of requests that it could not read or answer."""

    def setup(self, cfg: Any) -> None:
        """Leave the output to our logging."""
        super().setup(cfg)
        logs.configure(load_settings().log_level)
        for theirs in (self.error_log, self.access_log):
            theirs.handlers[:] = []
        self.error_log.propagate = True

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log without the content of the request."""
        super().warning(*_redact_request(msg, args), **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log without the content of the request."""
        super().exception(*_redact_request(msg, args), **kwargs)


def _redact_waitress_logs() -> None:
    logging.getLogger("waitress").addFilter(_redact_log_record)
    # it logs a line for each request that waits for a thread
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def _redact_log_record(record: logging.LogRecord) -> bool:
    message, *args = _redact_request(record.getMessage(), ())
    record.msg, record.args = message, tuple(args)
    return True


def _redact_request(msg: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    for words in _PREFIXES_OF_REQUEST_LINES:
        if str(msg).startswith(words):
            return (words,)
    return (msg, *args)
