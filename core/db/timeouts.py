"""How long a transaction waits for others. Local to it, so that it works behind PgBouncer too."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

LOCK: Final = "5s"
STATEMENT_SECONDS: Final = 60
PREPARE_SECONDS: Final = 1_800  # a preview of many million claims is one statement

_LIMITS: Final = text(
    "SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true), "
    "set_config('idle_in_transaction_session_timeout', '30s', true), "
    # Else a server in a long statement does not notice that the worker has died, and keeps its locks.
    "set_config('client_connection_check_interval', '2s', true)"
)


def limit(session: Session, *, statement_seconds: int = STATEMENT_SECONDS) -> None:
    """Let nothing of this transaction wait for a lock, or for an answer, without end: the error is a transient one."""
    session.execute(_LIMITS, {"lock": LOCK, "statement": f"{statement_seconds}s"})
