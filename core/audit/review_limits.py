"""The limits that the weekly review compares with: the strictest ones of the week.

A limit that a user raised in the week, or later, hides nothing of the week.
"""

from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit, recent_changes
from core.access.recent_changes import WriteOffLimits
from core.audit.findings import Week
from core.models.people import User
from core.models.practices import Practice

COMMAND_LINE: Final = 0  # instead of a user, for what a command on the server did; the practice's limits apply
# To join as `l`: the limits of each user. `given` has the values.
OF_USERS: Final = """unnest(CAST(:users AS bigint[]), CAST(:claim_limits AS bigint[]), CAST(:job_limits AS bigint[]))
              AS l(user_id, claim_cents, job_cents)"""


class ReviewLimits(NamedTuple):
    """The stricter limits of the practice and each user, by user, and those of the practice alone."""

    practice: WriteOffLimits
    of_users: dict[int, WriteOffLimits]

    def job_cents_of(self, user_id: int) -> int:
        """Return the limit for a job of the user, or of the practice for a user of another one."""
        return self.of_users.get(user_id, self.practice).job_cents

    def given(self, practice: Practice, week: Week) -> dict[str, Any]:
        """Return the values of a query on the week with `OF_USERS`."""
        return {
            "practice_id": practice.id, "begins": week.begins, "ends": week.ends,
            "users": list(self.of_users), "claim_limits": [one.claim_cents for one in self.of_users.values()],
            "job_limits": [one.job_cents for one in self.of_users.values()],
        }  # fmt: skip


def of_week(session: Session, practice: Practice, week: Week) -> ReviewLimits:
    """Return the strictest limits of the week."""
    changes = recent_changes.limit_changes(session, practice, since=week.begins, with_users=True)

    def strictest(limited: Practice | User) -> WriteOffLimits:
        of_limited = changes.get(audit.subject_of(limited).name, [])
        return recent_changes.strictest_limits(limited, of_limited, until=week.ends)

    whole = strictest(practice)
    users = {user.id: strictest(user) for user in session.scalars(select(User).where(User.practice_id == practice.id))}
    stricter = {id_: WriteOffLimits(*map(min, own, whole)) for id_, own in users.items()}
    return ReviewLimits(whole, {COMMAND_LINE: whole, **stricter})
