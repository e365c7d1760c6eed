"""Which accounts a user controls: those that the user added, reactivated, or gave a role or higher limits.

A user could add a second account and approve with it. So an account may not approve jobs of a user who controls it,
directly or through other accounts, until an independent administrator vouches for it. The audit log is the source.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from core.access.permissions import ALLOWED_ACTIONS, Action
from core.access.recent_changes import WINDOW, raises_limit
from core.enums.people import Role
from core.models.people import AuditEntry, User

_VOUCHED: Final = "user.vouched"


class Grant(NamedTuple):
    """One act by which a user gained control of an account."""

    account: int
    by: int
    act: str
    at: dt.datetime
    may_approve: bool  # whether the account could approve only from this act on

    def describe(self, account: str) -> str:
        """Return what the user did, such as "raised the limits of your account"."""
        return _GRANT_WORDS[self.act].format(account)


class Ties:
    """The grants of a practice's accounts that no independent administrator vouched for since."""

    def __init__(self, grants: Collection[Grant]) -> None:
        """Take the grants in order of time."""
        self._of_account: dict[int, list[Grant]] = defaultdict(list)
        self._by_user: dict[int, list[Grant]] = defaultdict(list)
        for grant in grants:
            self._of_account[grant.account].append(grant)
            self._by_user[grant.by].append(grant)

    @classmethod
    def read(cls, session: Session, practice_id: int) -> Self:
        """Read them from the practice's audit log."""
        return cls.of_acts(read_acts(session, practice_id, GRANTING_ACTS))

    @classmethod
    def of_acts(cls, entries: Iterable[AuditEntry]) -> Self:
        """Return the grants of acts on the practice's accounts, oldest first."""
        found: list[Grant] = []
        for entry in entries:
            account = account_of(entry)
            if entry.act == _VOUCHED:
                found = [grant for grant in found if grant.account != account]
            elif (by := granted_by(entry)) is not None and entry.act in _GRANTS and _GRANTS[entry.act](entry.facts):
                may_approve = entry.act in _MAKES_APPROVER and _approves_only_now(entry)
                found.append(Grant(account, by, entry.act, entry.at, may_approve))
        return cls(found)

    def controlled_by(self, user_ids: Collection[int]) -> dict[int, Grant]:
        """Return the accounts that the users control, each with the grant that ties it, without the users' own."""
        found: dict[int, Grant] = {}
        to_do = list(user_ids)
        while to_do:
            for grant in self._by_user[to_do.pop()]:
                if grant.account not in found and grant.account not in user_ids:
                    found[grant.account] = grant
                    to_do.append(grant.account)
        return found

    def controllers_of(self, user_id: int) -> frozenset[int]:
        """Return the users who control the account."""
        found: set[int] = set()
        to_do = [user_id]
        while to_do:
            for grant in self._of_account[to_do.pop()]:
                if grant.by not in found and grant.by != user_id:
                    found.add(grant.by)
                    to_do.append(grant.by)
        return frozenset(found)

    def grants_of(self, user_id: int) -> list[Grant]:
        """Return the grants of the account, oldest first."""
        return list(self._of_account[user_id])

    def approves_from(self, user_id: int, *, now: dt.datetime) -> dt.datetime | None:
        """Return when a new approver may approve: 24 hours after the grant. Return None if that time has come."""
        latest = max((grant.at for grant in self._of_account[user_id] if grant.may_approve), default=None)
        return latest + WINDOW if latest is not None and latest + WINDOW > now else None


def read_acts(session: Session, practice_id: int, acts: Collection[str]) -> list[AuditEntry]:
    """Return the entries of these acts on the practice's accounts, oldest first."""
    accounts = select("user:" + cast(User.id, Text)).where(User.practice_id == practice_id)
    entries = select(AuditEntry).where(
        AuditEntry.practice_id == practice_id, AuditEntry.subject.in_(accounts), AuditEntry.act.in_(acts)
    )
    return list(session.scalars(entries.order_by(AuditEntry.id)))


def account_of(entry: AuditEntry) -> int:
    """Return the account that the act is about."""
    return int(entry.subject.removeprefix("user:"))


def granted_by(entry: AuditEntry) -> int | None:
    """Return whose act it counts as: the user, or who set what the identity provider applied. None: a command."""
    found: int | None = entry.facts.get("granted_by")
    return found if entry.user_id is None else entry.user_id


def _raises_role(facts: Mapping[str, Any]) -> bool:
    return bool(ALLOWED_ACTIONS[Role(facts["to"])] - ALLOWED_ACTIONS[Role(facts["from"])])


def _approves_only_now(entry: AuditEntry) -> bool:
    roles = [entry.facts[key] for key in ("from", "to") if key in entry.facts]
    return [Action.APPROVE_JOB in ALLOWED_ACTIONS[Role(role)] for role in roles] != [True, True]


_GRANTS: Final = {
    "user.added": lambda _facts: True,
    "user.factor_reset": lambda _facts: True,  # without it, a password is enough to sign in as the user
    "user.identity_linked": lambda _facts: True,  # who set the identity provider decides whom it signs in
    "user.identity_unlinked": lambda _facts: True,  # another identity can then sign in as the user
    "user.limits_changed": raises_limit,
    "user.password_link": lambda _facts: True,  # with the link, the administrator could sign in as the user
    "user.reactivated": lambda _facts: True,
    "user.role_changed": _raises_role,
}
_GRANT_WORDS: Final = {
    "user.added": "added {}",
    "user.factor_reset": "reset the second factor of {}",
    "user.identity_linked": "set the identity provider that signs in {}",
    "user.identity_unlinked": "unlinked {} from the identity provider",
    "user.limits_changed": "raised the limits of {}",
    "user.password_link": "made a password link for {}",
    "user.reactivated": "reactivated {}",
    "user.role_changed": "changed the role of {}",
}
GRANTING_ACTS: Final = (*_GRANTS, _VOUCHED)
_MAKES_APPROVER: Final = ("user.added", "user.reactivated", "user.role_changed")
