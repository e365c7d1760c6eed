"""The user's own account: password, browser sessions and API tokens."""

import datetime as dt
from http import HTTPStatus
from typing import Annotated, Any, Final

from flask import Response, jsonify
from pydantic import Field

from core.access import own_password, tokens, user_sessions
from core.access.permissions import Scope
from core.access.tokens import NoSuchToken
from core.access.user_sessions import NoSuchSession
from core.db.engine import transaction
from webui.api.blueprint import Tag, api, problem_responses
from webui.api.models import Answer
from webui.api.request_parsing import Body, IdPath, requires_token
from webui.shared.app_context import app_context, now
from webui.shared.auth import session_life
from webui.shared.failed_sign_ins import limit_failed_sign_ins
from webui.shared.token_auth import actor_or_none, current_actor, current_token

ACCOUNT: Final = Tag(name="Your account", description="Your own password, browser sessions and API tokens")


class PasswordChange(Body):
    """Your current password and a new one."""

    password: str
    new_password: Annotated[str, Field(description="At least 12 characters, and not easy to guess")]
    keep_tokens: Annotated[bool, Field(description="Whether your other API tokens stay valid")] = False


def _own_email() -> str:
    actor = actor_or_none()
    return actor.email if actor else ""


_ANSWERS: Final[dict[str, Any]] = {"responses": {204: None, **problem_responses(400, 413, 415, 422, 429)}}


@api.put("/account/password", tags=[ACCOUNT], **_ANSWERS)
@limit_failed_sign_ins(_own_email)
@requires_token
def change_password(body: PasswordChange) -> tuple[str, int]:
    """Change your password. This ends the sessions of your browsers.

    It also revokes your API tokens, except the one of this request, unless `keep_tokens` is true.
    """
    with transaction(app_context().sessions) as session:
        own_password.change(
            session, old=body.password, new=body.new_password, keep_tokens=body.keep_tokens, by=current_actor(),
            now=now(), this_token=current_token(),
        )  # fmt: skip
    return "", HTTPStatus.NO_CONTENT


class SessionPath(IdPath):
    """The session's ID."""

    missing = NoSuchSession
    session_id: str


class SessionAnswer(Answer):
    """A browser that is signed in."""

    id: str
    browser: Annotated[str, Field(description="Its family and its system")]
    address: Annotated[str, Field(description="Its network")]
    signed_in_at: dt.datetime
    seen_at: Annotated[dt.datetime, Field(description="The last click, to the minute")]


class Sessions(Answer):
    """Your signed-in browsers, the one seen last first."""

    sessions: list[SessionAnswer]


@api.get("/account/sessions", tags=[ACCOUNT], responses={200: Sessions})
@requires_token
def list_sessions() -> Response:
    """List the browsers in which you are signed in."""
    with app_context().sessions() as session:
        found = user_sessions.list_open(session, current_actor().user_id, now(), session_life())
    shown = [
        SessionAnswer(
            id=str(one.id), browser=one.browser, address=one.address, signed_in_at=one.created_at, seen_at=one.seen_at
        )
        for one in found
    ]
    return jsonify(Sessions(sessions=shown).json_ready())


@api.delete("/account/sessions", tags=[ACCOUNT], responses={204: None})
@requires_token
def end_sessions() -> tuple[str, int]:
    """Sign out all your browsers."""
    current_actor().require_scope(Scope.MANAGE)
    with transaction(app_context().sessions) as session:
        user_sessions.end_others(session, but=None, by=current_actor(), now=now())
    return "", HTTPStatus.NO_CONTENT


@api.delete("/account/sessions/<session_id>", tags=[ACCOUNT], responses={204: None, **problem_responses(404)})
@requires_token
def end_session(path: SessionPath) -> tuple[str, int]:
    """Sign out one of your browsers."""
    current_actor().require_scope(Scope.MANAGE)
    with transaction(app_context().sessions) as session:
        user_sessions.end_one(session, path.id, by=current_actor(), now=now())
    return "", HTTPStatus.NO_CONTENT


class TokenPath(IdPath):
    """The token's number."""

    missing = NoSuchToken
    token_id: str


class TokenAnswer(Answer):
    """One of your API tokens, without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: dt.datetime
    used_at: Annotated[dt.datetime | None, Field(description="Its last use, to the minute")]
    expires_at: Annotated[dt.datetime | None, Field(description="Null if an earlier version created it")]


class Tokens(Answer):
    """Your API tokens that work, newest first."""

    tokens: list[TokenAnswer]


@api.get("/account/tokens", tags=[ACCOUNT], responses={200: Tokens})
@requires_token
def list_tokens() -> Response:
    """List your API tokens. Create them on the page "Your account", where you sign in with your password."""
    with app_context().sessions() as session:
        found = tokens.list_own(session, current_actor(), now())
    shown = [
        TokenAnswer(
            id=str(one.id), name=one.name, scopes=[Scope(scope) for scope in one.scopes], created_at=one.created_at,
            used_at=one.used_at, expires_at=one.expires_at,
        )
        for one in found
    ]  # fmt: skip
    return jsonify(Tokens(tokens=shown).json_ready())


@api.delete("/account/tokens/<token_id>", tags=[ACCOUNT], responses={204: None, **problem_responses(404)})
@requires_token
def revoke_token(path: TokenPath) -> tuple[str, int]:
    """Revoke one of your API tokens."""
    current_actor().require_scope(Scope.MANAGE)
    with transaction(app_context().sessions) as session:
        tokens.revoke_own(session, path.id, by=current_actor(), now=now())
    return "", HTTPStatus.NO_CONTENT
