"""What each role may do: one table. Pages, API and commands check it, and core checks it again where money moves."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from core.enums.people import Role
from core.errors import NotAllowed


class Action(StrEnum):
    """An action that requires permission."""

    SEE_CLAIMS = "see_claims"
    PREVIEW_JOB = "preview_job"
    CONFIRM_JOB = "confirm_job"
    CONTROL_JOB = "control_job"  # pause, resume, cancel, retry
    POST = "post"
    IMPORT = "import"  # claims from files
    HOLD = "hold"
    SEND_WRITE_OFFS = "send_write_offs"  # mark a file of write-offs as sent, and save its layouts
    RENAME_JOB = "rename_job"  # of another requester
    APPROVE_JOB = "approve_job"
    REVERSE_JOB = "reverse_job"
    OVERRIDE_RULE = "override_rule"  # `include`
    CHANGE_SETTING = "change_setting"
    MANAGE_USERS = "manage_users"
    MANAGE_SCHEDULES = "manage_schedules"
    MANAGE_WEBHOOKS = "manage_webhooks"
    CLOSE_MONTH = "close_month"  # and reopen
    EXCLUDE = "exclude"  # a patient or a payer from all write-offs
    SEE_AUDIT = "see_audit"
    SEE_REVIEW = "see_review"  # the weekly review of the audit log
    SEE_OPERATIONS = "see_operations"


_BILLING: Final = {
    Action.SEE_CLAIMS,
    Action.PREVIEW_JOB,
    Action.CONFIRM_JOB,
    Action.CONTROL_JOB,
    Action.POST,
    Action.HOLD,
    Action.SEND_WRITE_OFFS,
    Action.IMPORT,
}
_APPROVING: Final = {
    Action.SEE_CLAIMS,
    Action.APPROVE_JOB,
    Action.REVERSE_JOB,
    Action.OVERRIDE_RULE,
    Action.SEE_AUDIT,
    Action.SEE_REVIEW,
}
_ADMINISTERING: Final = {
    Action.RENAME_JOB,
    Action.CHANGE_SETTING,
    Action.MANAGE_USERS,
    Action.MANAGE_SCHEDULES,
    Action.MANAGE_WEBHOOKS,
    Action.CLOSE_MONTH,
    Action.EXCLUDE,
}

ALLOWED_ACTIONS: Final[dict[Role, frozenset[Action]]] = {
    Role.BILLER: frozenset(_BILLING),
    Role.APPROVER: frozenset(_APPROVING),
    Role.ADMIN: frozenset(_BILLING | _APPROVING | _ADMINISTERING),
    Role.OPS: frozenset({Action.SEE_OPERATIONS}),
}


class Scope(StrEnum):
    """What an API token may do, within the role of its user."""

    READ = "read"
    POST = "post"
    CONFIRM = "confirm"
    MANAGE = "manage"


ALL_SCOPES: Final = frozenset(Scope)
SCOPE_WORDS: Final[dict[Scope, str]] = {
    Scope.READ: "read claims, jobs and reports",
    Scope.POST: "preview jobs, post payments, import files, place holds",
    Scope.CONFIRM: "confirm, approve, reverse and control jobs",
    Scope.MANAGE: "change settings, users, schedules, exclusions and months",
}
_SCOPE_OF: Final[dict[Action, Scope]] = {
    **dict.fromkeys((Action.SEE_CLAIMS, Action.SEE_AUDIT, Action.SEE_REVIEW, Action.SEE_OPERATIONS), Scope.READ),
    **dict.fromkeys(
        (
            Action.PREVIEW_JOB, Action.POST, Action.IMPORT, Action.HOLD, Action.SEND_WRITE_OFFS, Action.RENAME_JOB,
        ),
        Scope.POST,
    ),
    **dict.fromkeys(
        (
            Action.CONFIRM_JOB, Action.CONTROL_JOB, Action.APPROVE_JOB, Action.REVERSE_JOB, Action.OVERRIDE_RULE,
        ),
        Scope.CONFIRM,
    ),
    **dict.fromkeys(
        (
            Action.CHANGE_SETTING, Action.MANAGE_USERS, Action.MANAGE_SCHEDULES, Action.MANAGE_WEBHOOKS,
            Action.CLOSE_MONTH, Action.EXCLUDE,
        ),
        Scope.MANAGE,
    ),
}  # fmt: skip


class ScopeMissing(NotAllowed):
    """This token does not have the scope that this action needs."""


class VerificationNeeded(NotAllowed):
    """Verify with your second factor, or with your password if you have none, to continue."""

    http_status = HTTPStatus.CONFLICT  # the role allows it


ROLE_WORDS: Final[dict[Role, str]] = {
    Role.BILLER: "biller",
    Role.APPROVER: "approver",
    Role.ADMIN: "administrator",
    Role.OPS: "operations",
}


def roles_allowing(action: Action) -> list[Role]:
    """Return the roles that allow the action."""
    return [role for role, allowed in ALLOWED_ACTIONS.items() if action in allowed]


def _refusal(role: Role, action: Action) -> str:
    """Name the roles that allow it, as the page header calls them. Do not send administrators to an administrator."""
    *first, last = [ROLE_WORDS[one] for one in roles_allowing(action)]
    may = " or ".join(filter(None, (", ".join(first), last)))
    ask = "" if role is Role.ADMIN else " Ask an administrator of your practice."
    return f"Your role ({ROLE_WORDS[role]}) does not allow this. It requires the {may} role.{ask}"


@dataclass(frozen=True)
class Actor:
    """The user that an action is done for, in one practice. The user is signed in or identified by a token."""

    user_id: int
    practice_id: int
    role: Role
    email: str
    name: str
    one_machine: bool = False  # the whole installation runs on one machine, which has no other operators
    scopes: frozenset[Scope] = ALL_SCOPES  # of the token, if one identifies the user
    # Of the browser session, if one identifies the user. A token needed verification when it was created.
    is_verified: bool = True  # gave the second factor, or the password without one, within five minutes
    has_app: bool = False  # an authenticator app
    has_passkey: bool = False
    must_add_factor: bool = False  # the practice requires a second factor, and the user has none
    identity_factor: bool | None = None  # with single sign-on: whether the sign-in counts as a second factor

    @property
    def has_factor(self) -> bool:
        """Return whether the user has a second factor."""
        return self.has_app or self.has_passkey

    def may(self, action: Action) -> bool:
        """Return whether the role and the token allow it."""
        return self._role_allows(action) and _SCOPE_OF[action] in self.scopes

    def _role_allows(self, action: Action) -> bool:
        operates = action == Action.SEE_OPERATIONS and self.one_machine and self.role is Role.ADMIN
        return operates or action in ALLOWED_ACTIONS[self.role]

    def require(self, action: Action) -> None:
        """Raise `NotAllowed` if the role does not allow it, and `ScopeMissing` if the token does not."""
        if not self._role_allows(action):
            raise NotAllowed(_refusal(self.role, action))
        self.require_scope(_SCOPE_OF[action])

    def require_verified(self) -> None:
        """Raise `VerificationNeeded` if the user's browser gave no second factor or password within five minutes."""
        if not self.is_verified:
            raise self.verification_needed()

    def verification_needed(self) -> VerificationNeeded:
        """Return the refusal that asks this user for what they have."""
        if self.verifies_at_provider:
            return VerificationNeeded("Sign in again at your identity provider to continue.")
        if self.has_passkey:
            code = "a code from your authenticator app" if self.has_app else "a recovery code"
            return VerificationNeeded(f"Use a passkey, or enter {code}, to continue.")
        given = "a code from your authenticator app" if self.has_app else "your password again"
        return VerificationNeeded(f"Enter {given} to continue.")

    @property
    def is_from_provider(self) -> bool:
        """Return whether the user's browser signed in through the identity provider."""
        return self.identity_factor is not None

    @property
    def verifies_at_provider(self) -> bool:
        """Return whether the user verifies by signing in there again. A user with a second factor enters a code."""
        return self.is_from_provider and not self.has_factor

    def require_scope(self, scope: Scope) -> None:
        """Raise `ScopeMissing` if the user is identified by a token without this scope."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This token does not have the scope {scope.value}, which this action needs.")
