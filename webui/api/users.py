"""The users of the practice: roles, limits, links to set a password."""

import datetime as dt
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from flask import Response, jsonify, url_for
from pydantic import Field, Strict
from sqlalchemy.orm import Session

from core.access import password_links, user_management
from core.access.password_links import NewLink
from core.access.permissions import Action
from core.access.user_management import NoSuchUser
from core.db.engine import transaction
from core.models.people import Role, User
from core.money import UNLIMITED, UNLIMITED_WORD, BadLimitAmount, limit_as_json
from webui.api.blueprint import Tag, api, problem_responses
from webui.api.models import Answer, Ceiling
from webui.api.request_parsing import Body, IdPath, requires
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

    id: str
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


_ANSWERS: Final[dict[str, Any]] = {
    "tags": [USERS_AND_LIMITS],
    "responses": {200: UserAnswer, **problem_responses(400, 404, 413, 415)},
}


@api.get("/users", tags=[USERS_AND_LIMITS], responses={200: Users})
@requires(Action.MANAGE_USERS)
def list_users() -> Response:
    """List the practice's users."""
    with app_context().sessions() as session:
        found = [user_answer(user) for user in user_management.list_users(session, current_actor())]
    return jsonify(Users(users=found).json_ready())


@api.post("/users", tags=[USERS_AND_LIMITS], responses={201: AddedUser, **problem_responses(400, 409, 413, 415)})
@requires(Action.MANAGE_USERS)
def add_user(body: NewUser) -> tuple[Response, int, dict[str, str]]:
    """Add a user. The e-mail address is unique, so a repeated request does not add a second user."""
    given = {**body.model_dump(), **body.cents(), "by_mail": app_context().settings.mails_links}
    with transaction(app_context().sessions) as session:
        user, link = user_management.add(session, **given, by=current_actor(), now=now())
        answer = AddedUser(**user_answer(user).model_dump(), **_link_fields(link))
    headers = {"Location": url_for("api.show_user", user_id=answer.id)}
    return jsonify(answer.json_ready()), HTTPStatus.CREATED, headers


@api.get("/users/<user_id>", tags=[USERS_AND_LIMITS], responses={200: UserAnswer, **problem_responses(404)})
@requires(Action.MANAGE_USERS)
def show_user(path: UserPath) -> Response:
    """Show one user."""
    with app_context().sessions() as session:
        answer = user_answer(path.find(session))
    return jsonify(answer.json_ready())


@api.put("/users/<user_id>/role", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def change_role(path: UserPath, body: NewRole) -> Response:
    """Change another user's role, starting with their next request. You can't change your own role."""
    return _run_command(user_management.change_role, path, body.role)


@api.put("/users/<user_id>/limits", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def set_user_limits(path: UserPath, body: NewLimits) -> Response:
    """Set another user's limits. A raised limit applies after 24 hours. You can't set your own limits.

    Existing previews keep their old limits.
    """
    return _run_command(user_management.set_limits, path, **body.cents())


@api.patch("/users/<user_id>/limits", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def change_user_limits(path: UserPath, body: SomeLimits) -> Response:
    """Change one or both limits for another user. A raised limit applies after 24 hours.

    Existing previews keep their old limits.
    """
    return _run_command(user_management.set_limits, path, **body.cents())


@api.post("/users/<user_id>/password-link", tags=[USERS_AND_LIMITS],
          responses={201: PasswordLinkAnswer, **problem_responses(404, 409)})  # fmt: skip
@requires(Action.MANAGE_USERS)
def make_password_link(path: UserPath) -> tuple[Response, int]:
    """Create a link with which another user sets a new password. Earlier links no longer work."""
    by_mail = app_context().settings.mails_links
    with transaction(app_context().sessions) as session:
        user = path.find(session)
        _, link = user_management.make_password_link(session, user.id, by_mail=by_mail, by=current_actor(), now=now())
    return jsonify(PasswordLinkAnswer(**_link_fields(link)).json_ready()), HTTPStatus.CREATED


@api.delete("/users/<user_id>/sessions", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def end_user_sessions(path: UserPath) -> Response:
    """Sign another user out of all browsers. Their tokens stay valid."""
    return _run_command(user_management.end_sessions, path)


@api.post("/users/<user_id>/deactivate", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def deactivate_user(path: UserPath) -> Response:
    """Deactivate another user: sign out their browsers and revoke their tokens."""
    return _run_command(user_management.deactivate, path)


@api.delete("/users/<user_id>/second-factor", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def reset_second_factor(path: UserPath) -> Response:
    """Remove the second factor of another user who lost it, and sign out their browsers. API tokens stay valid."""
    return _run_command(user_management.reset_factor, path)


@api.post("/users/<user_id>/vouch", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def vouch_for_user(path: UserPath) -> Response:
    """Vouch that an account is not a second account of the user who added or changed it.

    It can then approve that user's jobs. You must be independent of that user. The account's browser sessions, API
    tokens and password link end, because that user may have them.
    """
    return _run_command(user_management.vouch, path)


@api.post("/users/<user_id>/reactivate", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def reactivate_user(path: UserPath) -> Response:
    """Reactivate a user. Their tokens stay revoked."""
    return _run_command(user_management.reactivate, path)


def _run_command(act: Callable[..., User], path: UserPath, *given: Any, **more: Any) -> Response:
    with transaction(app_context().sessions) as session:
        answer = user_answer(act(session, path.find(session).id, *given, **more, by=current_actor(), now=now()))
    return jsonify(answer.json_ready())


def _link_fields(link: NewLink) -> dict[str, Any]:
    return {
        "password_link": absolute_url(password_links.path(link.token)),
        "password_link_expires_at": link.expires_at,
        "password_link_mailed": link.is_mailed,
    }


def user_answer(user: User) -> UserAnswer:
    """Return the user for the API."""
    return UserAnswer(
        id=str(user.id),
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
