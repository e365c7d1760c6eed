"""The database roles that web processes and workers connect with. They own nothing. The owner only migrates."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.causes import Cause

WEB: Final = "settle_web"
WORKER: Final = "settle_worker"
OPERATIONS: Final = "settle_operations"  # without a login; web processes change to it
ALL: Final = (WEB, WORKER, OPERATIONS)

CONNECTED_AS_OWNER: Final = Cause(
    "connected_as_owner",
    "This process connects to the database as the owner of the tables.",
    f"Run core/db/role.sql and settle migrate, then connect as {WEB} or {WORKER} (docs/operations.md).",
)
_OWNS: Final = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('posting')")
_HAS: Final = text("SELECT coalesce(pg_has_role(to_regrole(:role), 'USAGE'), false)")


def owns_tables(session: Session) -> bool:
    """Return whether this connection could change the ledger, because its role owns the tables or is a superuser."""
    return bool(session.scalar(_OWNS))


def wrong_role(session: Session, needed: str) -> Cause | None:
    """Return that this connection has another role than the one its process needs, or None. The owner may do all."""
    if session.scalar(_HAS, {"role": needed}) or owns_tables(session):
        return None
    return Cause(
        "wrong_role",
        f"This process connects to the database with another role than {needed}.",
        f"Connect as {needed}; check the user in SETTLE_DATABASE_URL.",
    )
