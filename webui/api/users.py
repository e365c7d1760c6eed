"""The users of the practice, and the approval limits."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from flask import Response, jsonify, url_for
from pydantic import Field, Strict
from sqlalchemy.orm import Session

from core.access import user_management
from core.access.permissions import Action
from core.access.user_management import NoSuchUser
from core.db.engine import transaction
from core.models.people import Role, User
from core.models.practices import Practice
from core.money import UNLIMITED, UNLIMITED_WORD, BadLimitAmount, limit_as_json
from core.practices import limits, practice_queries
from webui.api.blueprint import Tag, api, problem_responses
from webui.api.models import Answer, Ceiling
from webui.api.request_parsing import Body, IdPath, requires
from webui.shared.app_context import app_context, now
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


class _AnyLimits(Body):
    LIMITS: ClassVar = ("claim_cents", "job_cents")

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


class SomeLimits(_AnyLimits):
    """The limits to change, in cents or as "unlimited". A limit that is left out does not change."""

    claim_cents: Annotated[Ceiling, Field(description="Max write-off per claim without approval")] = 0
    job_cents: Annotated[Ceiling, Field(description="Max write-off per job without approval")] = 0


class _Limits(_AnyLimits):
    """Max write-off per claim and per job without approval, in cents or as "unlimited". Never empty."""

    claim_cents: Ceiling
    job_cents: Ceiling


class NewLimits(_Limits):
    """Max write-off per claim and per job without approval, in cents or as "unlimited". Never empty."""


class NewUser(_Limits):
    """A new user, with their max write-off per claim and per job without approval."""

    email: str
    name: str
    role: _Role
    password: Annotated[str, Field(description="At least 12 characters")]


class UserAnswer(Answer):
    """One of the practice's users."""

    id: str
    email: str
    name: str
    role: Role
    active: bool
    claim_limit_cents: Ceiling
    job_limit_cents: Ceiling


class Users(Answer):
    """All of the practice's users, active users first."""

    users: list[UserAnswer]


class LimitsAnswer(Answer):
    """The practice's limits and your own. The lower limit applies."""

    practice: str
    claim_cents: Ceiling
    job_cents: Ceiling
    my_claim_cents: Ceiling
    my_job_cents: Ceiling
    users: Annotated[
        list[UserAnswer], Field(description="Active users with their limits: all for an administrator, else only you")
    ]


_ANSWERS: Final[dict[str, Any]] = {
    "tags": [USERS_AND_LIMITS],
    "responses": {200: UserAnswer, **problem_responses(400, 404, 413, 415)},
}

_LIMITS_ANSWERS: Final[dict[str, Any]] = {
    "tags": [USERS_AND_LIMITS],
    "responses": {200: LimitsAnswer, **problem_responses(400, 413, 415)},
}


@api.get("/users", tags=[USERS_AND_LIMITS], responses={200: Users})
@requires(Action.MANAGE_USERS)
def list_users() -> Response:
    """List the practice's users."""
    with app_context().sessions() as session:
        found = [_answer(user) for user in user_management.list_users(session, current_actor())]
    return jsonify(Users(users=found).json_ready())


@api.post("/users", tags=[USERS_AND_LIMITS], responses={201: UserAnswer, **problem_responses(400, 409, 413, 415)})
@requires(Action.MANAGE_USERS)
def add_user(body: NewUser) -> tuple[Response, int, dict[str, str]]:
    """Add a user. The e-mail address is unique, so a repeated request does not add a second user."""
    with transaction(app_context().sessions) as session:
        user = user_management.add(session, **{**body.model_dump(), **body.cents()}, by=current_actor(), now=now())
        answer = _answer(user)
    headers = {"Location": url_for("api.show_user", user_id=answer.id)}
    return jsonify(answer.json_ready()), HTTPStatus.CREATED, headers


@api.get("/users/<user_id>", tags=[USERS_AND_LIMITS], responses={200: UserAnswer, **problem_responses(404)})
@requires(Action.MANAGE_USERS)
def show_user(path: UserPath) -> Response:
    """Show one user."""
    with app_context().sessions() as session:
        answer = _answer(path.find(session))
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


@api.post("/users/<user_id>/deactivate", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def deactivate_user(path: UserPath) -> Response:
    """Deactivate another user: sign out their browsers and revoke their tokens."""
    return _run_command(user_management.deactivate, path)


@api.post("/users/<user_id>/vouch", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def vouch_for_user(path: UserPath) -> Response:
    """Vouch that an account belongs to a person of its own.

    It can then approve jobs of the user who added or changed it. You must be independent of that user.
    """
    return _run_command(user_management.vouch, path)


@api.post("/users/<user_id>/reactivate", **_ANSWERS)
@requires(Action.MANAGE_USERS)
def reactivate_user(path: UserPath) -> Response:
    """Reactivate a user. Their tokens stay revoked."""
    return _run_command(user_management.reactivate, path)


@api.get("/limits", tags=[USERS_AND_LIMITS], responses={200: LimitsAnswer})
@requires(Action.SEE_CLAIMS)
def show_limits() -> Response:
    """Show the max write-off per claim and per job without approval."""
    with app_context().sessions() as session:
        answer = _limits(session, practice_queries.find(session, current_actor().practice_id))
    return jsonify(answer.json_ready())


@api.put("/limits", **_LIMITS_ANSWERS)
@requires(Action.CHANGE_SETTING)
def set_limits(body: NewLimits) -> Response:
    """Set the practice's limits. A raised limit applies after 24 hours. Existing previews keep their old limits."""
    return _set_limits(body)


@api.patch("/limits", **_LIMITS_ANSWERS)
@requires(Action.CHANGE_SETTING)
def change_limits(body: SomeLimits) -> Response:
    """Change one or both of the practice's limits. A raised limit applies after 24 hours.

    Existing previews keep their old limits.
    """
    return _set_limits(body)


def _set_limits(body: _AnyLimits) -> Response:
    with transaction(app_context().sessions) as session:
        practice = limits.set_write_off_limits(session, **body.cents(), by=current_actor(), now=now())
        answer = _limits(session, practice)
    return jsonify(answer.json_ready())


def _run_command(act: Callable[..., User], path: UserPath, *given: Any, **more: Any) -> Response:
    with transaction(app_context().sessions) as session:
        answer = _answer(act(session, path.find(session).id, *given, **more, by=current_actor(), now=now()))
    return jsonify(answer.json_ready())


def _answer(user: User) -> UserAnswer:
    return UserAnswer(
        id=str(user.id),
        email=user.email,
        name=user.name,
        role=user.role,
        active=user.active,
        claim_limit_cents=_limit_value(user.claim_limit_cents),
        job_limit_cents=_limit_value(user.job_limit_cents),
    )


def _limits(session: Session, practice: Practice) -> LimitsAnswer:
    by = current_actor()
    user = session.get_one(User, by.user_id)
    seen = user_management.list_users(session, by) if by.may(Action.MANAGE_USERS) else [user]
    return LimitsAnswer(
        practice=practice.name,
        users=[_answer(one) for one in seen if one.active],
        claim_cents=_limit_value(practice.claim_limit_cents),
        job_cents=_limit_value(practice.job_limit_cents),
        my_claim_cents=_limit_value(user.claim_limit_cents),
        my_job_cents=_limit_value(user.job_limit_cents),
    )


def _cents(limit: int | Literal["unlimited"]) -> int:
    return UNLIMITED if limit == UNLIMITED_WORD else int(limit)


def _limit_value(cents: int) -> int | Literal["unlimited"]:
    limit = limit_as_json(cents)
    return limit if isinstance(limit, int) else "unlimited"
