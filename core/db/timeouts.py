"""Time-outs for one transaction. They are set inside it, so that they also work behind PgBouncer."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

LOCK_TIMEOUT: Final = "5s"
STATEMENT_SECONDS: Final = 60
PREPARE_SECONDS: Final = 1_800  # the preview of many millions of claims is one statement

_SET_TIMEOUTS: Final = (
    "SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true), "
    "set_config('idle_in_transaction_session_timeout', '30s', true), "
    # Without this, a server in a long statement does not notice that its worker died, and keeps its locks.
    "set_config('client_connection_check_interval', '2s', true)"
)


def set_timeouts(session: Session, *, statement_seconds: int = STATEMENT_SECONDS, also: str = "") -> None:
    """Limit how long this transaction waits for locks and statements. A time-out is a transient error.

    `also` is more settings, as SQL, to save a round trip: ", set_config('jit', 'off', true)".
    """
    named = {"lock": LOCK_TIMEOUT, "statement": f"{statement_seconds}s"}
    session.execute(text(_SET_TIMEOUTS + also), named)
