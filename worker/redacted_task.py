"""Tasks that break without repeating what they held.

Celery sends the words of an error, and its traceback, as an event by the broker to whoever listens: Flower shows them.
What PostgreSQL says of a row that it refuses holds the row. So those words stay here, and not even the log has them.
"""

import logging
from typing import Any, Final

from celery import Task

from core.db.transient import sqlstate

_log: Final = logging.getLogger(__name__)


class TaskBroke(Exception):
    """The class of the error, and the server's code where there is one."""


class RedactedTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task whose errors are told by their class."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do it; where it breaks, log the place and tell the class."""
        try:
            return self.run(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  it goes on, told by its class
            _log.exception("task_broke %s", self.name)
            code = sqlstate(error)
            told = type(error).__name__ + (f" ({code})" if code else "")
        # Outside of the `except`, so that the error does not go along as the context of this one.
        raise TaskBroke(told)
