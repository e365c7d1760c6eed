"""Which rows a transaction sees: those of one practice, or what operations needs of all practices.

Row-level security reads the practice from the setting `settle.practice_id`, which lasts for one transaction, so that
PgBouncer may give the next one another connection. Without it, each query of a practice's table is an error. The owner
of the tables sees every row.
"""

from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from core.db import roles

_FACTORIES_KEPT: Final = 256
_PRACTICE: Final = "practice_id"
_OPERATIONS: Final = "operations"
# As the driver takes it, because a chunk does it four times.
_SET_PRACTICE: Final = "SELECT set_config('settle.practice_id', %s, true)"
# No practice has the id 0. The owner is no member of the role, and needs no other one.
_SET_OPERATIONS: Final = text(
    "SELECT set_config('settle.practice_id', '0', true), (SELECT set_config('role', rolname, true) FROM pg_roles "
    "WHERE rolname = :role AND pg_has_role(session_user, oid, 'MEMBER'))"
)
_NOT_SET: Final = {
    "42704": "settle.practice_id",  # it was never set on this connection
    "22P02": 'bigint: ""',  # it was set in an earlier transaction
}


class PracticeNotSet(Exception):
    """A query read a table with practices before its transaction set one (`core.db.scope`)."""


@lru_cache(_FACTORIES_KEPT)
def of_practice(sessions: sessionmaker[Session], practice_id: int) -> sessionmaker[Session]:
    """Return a session factory whose transactions see the rows of this practice."""
    return sessionmaker(**{**sessions.kw, "info": {_PRACTICE: practice_id}})


@lru_cache(_FACTORIES_KEPT)
def of_operations(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Return a session factory whose transactions see jobs, chunks and schedules of every practice, and no patient."""
    return sessionmaker(**{**sessions.kw, "info": {_OPERATIONS: True}})


def set_practice(session: Session, practice_id: int) -> None:
    """Let this session see the rows of this practice from now on, in this transaction and in later ones."""
    session.flush()  # changes to another practice's rows
    session.info[_PRACTICE] = practice_id
    session.connection().exec_driver_sql(_SET_PRACTICE, (str(practice_id),))


@event.listens_for(Engine, "handle_error")
def _explain_missing_practice(context: ExceptionContext) -> None:
    error = context.original_exception
    sign = _NOT_SET.get(str(getattr(error, "sqlstate", None)))
    if sign is not None and sign in str(error):
        raise PracticeNotSet from error


@event.listens_for(Session, "after_begin")
def _set_scope(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    if _PRACTICE in session.info:
        connection.exec_driver_sql(_SET_PRACTICE, (str(session.info[_PRACTICE]),))
    elif _OPERATIONS in session.info:
        connection.execute(_SET_OPERATIONS, {"role": roles.OPERATIONS})
