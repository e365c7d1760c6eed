"""The users of the practice: roles, limits, links to set a password."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from flask import url_for
from pydantic import Field, Strict
from sqlalchemy.orm import Session

from core.access import password_links, user_management
from core.access.password_links import NewLink
from core.access.permissions import Action
from core.access.user_management import NoSuchUser
from core.db.engine import transaction
from core.enums.people import Role
from core.models.people import User
from core.money import UNLIMITED, UNLIMITED_WORD, BadLimitAmount, limit_as_json
from webui.api.blueprint import Reply, Tag, api
from webui.api.models import Answer, Ceiling, Id
from webui.api.request_parsing import Body, IdPath
from webui.shared.app_context import absolute_url, app_context, now
from webui.shared.token_auth import current_actor

USERS_AND_LIMITS: Final = Tag(name="Users and limits", description="Roles and approval limits")
_Role = Annotated[Role, Strict(strict=False)]  # JSON has only text


class UserPath(IdPath):
    """The user's ID or e-mail address."""

    missing = NoSuchUser
    user_id: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it. Raise `NoSuchUser` if it is neither."""
        return cls.model_validate(given) if "@" in given["user_id"] else super().of(given)

    def find(self, session: Session) -> User:
        """Return the user. Raise `NoSuchUser`."""
        by = current_actor()
        if "@" in self.user_id:
            return user_management.find_by_email(session, self.user_id, by=by)
        return user_management.find(session, self.id, by=by)


class NewRole(Body):
    """The user's new role."""

    role: _Role


class AnyLimits(Body):
    """Some or all of the limits."""

    LIMITS: ClassVar[tuple[str, ...]] = ("claim_cents", "job_cents")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read them. Raise `BadLimitAmount` if one is neither an amount nor "unlimited"."""
        for name in cls.LIMITS:
            value = given.get(name)
            if name not in given and not cls.model_fields[name].is_required():
                continue
            if value != UNLIMITED_WORD and (isinstance(value, bool) or not isinstance(value, int)):
                raise BadLimitAmount(f'{name}: enter an amount in cents, or "unlimited".', field=name)
        return super().of(given)

    def cents(self) -> dict[str, int]:
        """Return the given limits in cents, for core."""
        return {name: _cents(getattr(self, name)) for name in self.LIMITS if name in self.model_fields_set}


class SomeLimits(AnyLimits):
    """The limits to change, in cents or as "unlimited". A limit that is left out does not change."""

    claim_cents: Annotated[Ceiling, Field(description="Max write-off per claim without approval")] = 0
    job_cents: Annotated[Ceiling, Field(description="Max write-off per job without approval")] = 0


class _Limits(AnyLimits):
    """Max write-off per claim and per job without approval, in cents or as "unlimited". Never empty."""

    claim_cents: Ceiling
    job_cents: Ceiling


class NewLimits(_Limits):
    """Max write-off per claim and per job without approval, in cents or as "unlimited". Never empty."""


class NewUser(_Limits):
    """A new user, with their max write-off per claim and per job without approval. No password: see the answer."""

    email: str
    name: str
    role: _Role


class UserAnswer(Answer):
    """One of the practice's users."""

    id: Id
    email: str
    name: str
    role: Role
    active: bool
    claim_limit_cents: Ceiling
    job_limit_cents: Ceiling


class PasswordLinkAnswer(Answer):
    """A link with which the user sets a password, once."""

    password_link: Annotated[str, Field(description="Shown only once")]
    password_link_expires_at: dt.datetime
    password_link_mailed: Annotated[bool, Field(description="A link was also e-mailed to the user")]


class AddedUser(UserAnswer, PasswordLinkAnswer):
    """The new user, and the link with which they set a password."""


class Users(Answer):
    """All of the practice's users, active users first."""

    users: list[UserAnswer]


@api.get("/users", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def list_users(session: Session) -> Users:
    """List the practice's users."""
    return Users(users=[user_answer(user) for user in user_management.list_users(session, current_actor())])


@api.post("/users", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS, status=201, problems=[409])
def add_user(body: NewUser, session: Session) -> Reply[AddedUser]:
    """Add a user. The e-mail address is unique, so a repeated request does not add a second user."""
    given = {**body.model_dump(), **body.cents(), "by_mail": app_context().settings.mails_links}
    user, link = user_management.add(session, **given, by=current_actor(), now=now())
    answer = AddedUser(**user_answer(user).model_dump(), **_link_fields(link))
    return Reply(answer, {"Location": url_for("api.show_user", user_id=answer.id)})


@api.get("/users/<user_id>", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def show_user(path: UserPath, session: Session) -> UserAnswer:
    """Show one user."""
    return user_answer(path.find(session))


@api.put("/users/<user_id>/role", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def change_role(path: UserPath, body: NewRole) -> UserAnswer:
    """Change another user's role, starting with their next request. You can't change your own role."""
    return _run_command(user_management.change_role, path, body.role)


@api.put("/users/<user_id>/limits", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def set_user_limits(path: UserPath, body: NewLimits) -> UserAnswer:
    """Set another user's limits. A raised limit applies after 24 hours. You can't set your own limits.

    Existing previews keep their old limits.
    """
    return _run_command(user_management.set_limits, path, **body.cents())


@api.patch("/users/<user_id>/limits", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def change_user_limits(path: UserPath, body: SomeLimits) -> UserAnswer:
    """Change one or both limits for another user. A raised limit applies after 24 hours.

    Existing previews keep their old limits.
    """
    return _run_command(user_management.set_limits, path, **body.cents())


@api.post("/users/<user_id>/password-link", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS, status=201, problems=[409])
def make_password_link(path: UserPath, session: Session) -> PasswordLinkAnswer:
    """Create a link with which another user sets a new password. Earlier links no longer work."""
    by_mail = app_context().settings.mails_links
    user = path.find(session)
    _, link = user_management.make_password_link(session, user.id, by_mail=by_mail, by=current_actor(), now=now())
    return PasswordLinkAnswer(**_link_fields(link))


@api.delete("/users/<user_id>/sessions", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def end_user_sessions(path: UserPath) -> UserAnswer:
    """Sign another user out of all browsers. Their tokens stay valid."""
    return _run_command(user_management.end_sessions, path)


@api.post("/users/<user_id>/deactivate", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def deactivate_user(path: UserPath) -> UserAnswer:
    """Deactivate another user: sign out their browsers and revoke their tokens."""
    return _run_command(user_management.deactivate, path)


@api.delete("/users/<user_id>/second-factor", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def reset_second_factor(path: UserPath) -> UserAnswer:
    """Remove the second factor of another user who lost it, and sign out their browsers. API tokens stay valid."""
    return _run_command(user_management.reset_factor, path)


@api.post("/users/<user_id>/vouch", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def vouch_for_user(path: UserPath) -> UserAnswer:
    """Vouch that an account is not a second account of the user who added or changed it.

    It can then approve that user's jobs. You must be independent of that user. The account's browser sessions, API
    tokens and password link end, because that user may have them.
    """
    return _run_command(user_management.vouch, path)


@api.post("/users/<user_id>/reactivate", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def reactivate_user(path: UserPath) -> UserAnswer:
    """Reactivate a user. Their tokens stay revoked."""
    return _run_command(user_management.reactivate, path)


def _run_command(act: Callable[..., User], path: UserPath, *given: Any, **more: Any) -> UserAnswer:
    with transaction(app_context().sessions) as session:
        return user_answer(act(session, path.find(session).id, *given, **more, by=current_actor(), now=now()))


def _link_fields(link: NewLink) -> dict[str, Any]:
    return {
        "password_link": absolute_url(password_links.path(link.token)),
        "password_link_expires_at": link.expires_at,
        "password_link_mailed": link.is_mailed,
    }


def user_answer(user: User) -> UserAnswer:
    """Return the user for the API."""
    return UserAnswer(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        active=user.active,
        claim_limit_cents=limit_value(user.claim_limit_cents),
        job_limit_cents=limit_value(user.job_limit_cents),
    )


def _cents(limit: int | Literal["unlimited"]) -> int:
    return UNLIMITED if limit == UNLIMITED_WORD else int(limit)


def limit_value(cents: int) -> int | Literal["unlimited"]:
    """Return a limit for the API."""
    limit = limit_as_json(cents)
    return limit if isinstance(limit, int) else "unlimited"
