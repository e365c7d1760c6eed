"""Wait for a reachable, migrated database, so that processes may start in any order."""

from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.causes import Cause
from core.db import causes, roles
from core.migrations.revisions import missing_migration

FIRST_PAUSE_SECONDS: Final = 0.5  # doubled after each try
PAUSE_SECONDS_MAX: Final = 5.0

_log: Final = structlog.get_logger(__name__)


def wait_until_migrated(engine: Engine, role: str, *, pause: Callable[[float], bool]) -> bool:
    """Wait until the database is reachable with this role, and migrated. Log the reason once, and when it changes.

    `pause` sleeps for the given number of seconds and returns True to give up. In that case, return False.
    """
    logged, seconds = None, FIRST_PAUSE_SECONDS
    while (cause := unavailable_cause(engine, role)) is not None:
        if cause.sentence != logged:
            logged = cause.sentence
            _log.warning("waiting_for_database", cause=cause.code, why=logged)
        if pause(seconds):
            return False
        seconds = min(2 * seconds, PAUSE_SECONDS_MAX)
    if logged is not None:
        _log.info("database_is_ready")
    _warn_if_owner(engine)
    return True


def _warn_if_owner(engine: Engine) -> None:
    with Session(engine) as session:
        if roles.owns_tables(session):
            cause = roles.CONNECTED_AS_OWNER
            _log.warning(cause.code, why=cause.sentence)


def unavailable_cause(engine: Engine, role: str) -> Cause | None:
    """Return why a process of this version that needs this role cannot use the database now, or None if it can."""
    try:
        cause = missing_migration(engine)
        if cause is not None:
            return cause
        with Session(engine) as session:
            return roles.wrong_role(session, role)
    except SQLAlchemyError as error:
        return causes.diagnose(error) or causes.NO_ANSWER
