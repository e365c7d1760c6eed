"""Tasks whose errors contain no data.

Celery sends an error's text and traceback as an event through the broker, and Flower shows them. PostgreSQL's message
about a refused row contains the row. So the text is neither sent nor logged.
"""

import logging
from typing import Any, Final

from celery import Task

from core.db.transient import sqlstate

_log: Final = logging.getLogger(__name__)


class TaskBroke(Exception):
    """The class of the error, with the SQLSTATE if there is one."""


class RedactedTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task that reports its errors by class."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task. On an error, log the location and raise its class."""
        try:
            return self.run(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  raised again below, by its class
            _log.exception("task_broke %s", self.name)
            code = sqlstate(error)
            summary = type(error).__name__ + (f" ({code})" if code else "")
        # Raised outside of the `except`, so that the error is not its context.
        raise TaskBroke(summary)
