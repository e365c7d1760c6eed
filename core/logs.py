"""Logs: one line of JSON per event, with ids and codes only. All events of a request carry its id, in every process.

An error's text may contain a name or an amount (PostgreSQL's DETAIL, a repr of a value). So the log contains its
class, SQLSTATE and location, but never its text.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog

from core.broker import log
from core.db import causes
from core.db.transient import sqlstate

_FRAMES_MAX: Final = 5  # the innermost frames of our code are enough
_OWN_FOLDERS: Final = tuple(f"{Path(__file__).parents[1] / package}/" for package in ("core", "webui", "worker"))
_TASK_TRACE: Final = "celery.app.trace"

Event = MutableMapping[str, Any]


def configure(level: str) -> None:
    """Send every log line of this process, ours and the libraries', to standard error in one format."""
    structlog.configure(
        processors=[*_SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger that was used before would keep the old configuration
    )
    handler = logging.StreamHandler()
    handler.addFilter(_redact_task_error)
    handler.addFilter(log.rewrite_broker_line)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED_PROCESSORS,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _redact_error,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it logs its plugins each time the schema is checked


def _redact_task_error(record: logging.LogRecord) -> bool:
    """Replace Celery's message about a failed task, which contains the error's text, with the task's name."""
    if record.name == _TASK_TRACE and isinstance(record.args, dict) and "exc" in record.args:
        record.msg, record.args = "task_failed %(name)s[%(id)s]", {k: record.args.get(k) for k in ("name", "id")}
    return True


def _drop_foreign_request_id(_logger: object, _name: str, event: Event) -> Event:
    """Drop the request id if the task worked on a different job than the one that the request sent a hint for."""
    hinted = event.pop("hinted_job_id", None)
    if hinted is not None and event.get("job_id", hinted) != hinted:
        event.pop("request_id", None)
    return event


_SHARED_PROCESSORS: Final = (
    structlog.contextvars.merge_contextvars,
    _drop_foreign_request_id,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(["cause"]),
)


def _redact_error(_logger: object, _name: str, event: Event) -> Event:
    info = event.pop("exc_info", None)
    if info is True:  # in structlog, this means the error being handled
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(error_facts(error))
    return event


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return what may be logged about an error: its class, the SQLSTATE and the location, innermost frame last."""
    places = traceback.extract_tb(error.__traceback__)
    # The database driver is a dozen frames deep, and its frames do not show our query.
    ours = [place for place in places if place.filename.startswith(_OWN_FOLDERS)] or places
    at = [f"{place.filename.rpartition('/')[2]}:{place.lineno} {place.name}" for place in ours[-_FRAMES_MAX:]]
    cause = causes.diagnose(error)
    why = {} if cause is None else {"cause": cause.code, "why": cause.sentence}
    return {"error": type(error).__name__, "sqlstate": sqlstate(error), "at": at, **why}


def error_kind(error: BaseException) -> str:
    """Return what may be logged about an error: class, SQLSTATE, and the cause if the database is unavailable."""
    state, cause = sqlstate(error), causes.diagnose(error)
    return f"{type(error).__name__}{f' ({state})' if state else ''}{f': {cause.sentence}' if cause else ''}"
