"""Record acts in the audit, each in the transaction of the act itself."""

import datetime as dt
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from core.models.people import AuditEntry


def record(
    session: Session,
    act: str,
    *,
    practice_id: int,
    subject: str,
    by: int | None,
    now: dt.datetime,
    **facts: Any,
) -> None:
    """Record that user `by` (None: the system) did `act`, such as "job.confirmed", to `subject`, such as "job:1042".

    `facts` are ids, codes and counts in JSON, never a name or a note.
    """
    session.execute(
        insert(AuditEntry).values(practice_id=practice_id, at=now, user_id=by, act=act, subject=subject, facts=facts)
    )
