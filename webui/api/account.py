"""The user's own account: password, browser sessions and API tokens."""

import datetime as dt
from typing import Annotated, Final

from pydantic import Field
from sqlalchemy.orm import Session

from core.access import own_password, tokens, user_sessions
from core.access.permissions import Scope
from core.access.tokens import NoSuchToken
from core.access.user_sessions import NoSuchSession
from webui.api.blueprint import Tag, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, IdPath, requires_token
from webui.shared.app_context import now
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


@api.put("/account/password", needs=None, tag=ACCOUNT, problems=[429])
@limit_failed_sign_ins(_own_email)
@requires_token
def change_password(body: PasswordChange, session: Session) -> None:
    """Change your password. This ends the sessions of your browsers.

    It also revokes your API tokens, except the one of this request, unless `keep_tokens` is true.
    """
    own_password.change(
        session, old=body.password, new=body.new_password, keep_tokens=body.keep_tokens, by=current_actor(),
        now=now(), this_token=current_token(),
    )  # fmt: skip


class SessionPath(IdPath):
    """The session's ID."""

    missing = NoSuchSession
    session_id: str


class SessionAnswer(Answer):
    """A browser that is signed in."""

    id: Id
    browser: Annotated[str, Field(description="Its family and its system")]
    address: Annotated[str, Field(description="Its network")]
    signed_in_at: Annotated[dt.datetime, Field(validation_alias="created_at")]
    seen_at: Annotated[dt.datetime, Field(description="The last click, to the minute")]


class Sessions(Answer):
    """Your signed-in browsers, the one seen last first."""

    sessions: list[SessionAnswer]


@api.get("/account/sessions", needs=None, tag=ACCOUNT)
@requires_token
def list_sessions(session: Session) -> Sessions:
    """List the browsers in which you are signed in."""
    return Sessions(sessions=user_sessions.list_open(session, current_actor().user_id, now(), session_life()))


@api.delete("/account/sessions", needs=None, tag=ACCOUNT)
@requires_token
def end_sessions(session: Session) -> None:
    """Sign out all your browsers."""
    current_actor().require_scope(Scope.MANAGE)
    user_sessions.end_others(session, but=None, by=current_actor(), now=now())


@api.delete("/account/sessions/<session_id>", needs=None, tag=ACCOUNT)
@requires_token
def end_session(path: SessionPath, session: Session) -> None:
    """Sign out one of your browsers."""
    current_actor().require_scope(Scope.MANAGE)
    user_sessions.end_one(session, path.id, by=current_actor(), now=now())


class TokenPath(IdPath):
    """The token's number."""

    missing = NoSuchToken
    token_id: str


class TokenAnswer(Answer):
    """One of your API tokens, without its secret."""

    id: Id
    name: str
    scopes: list[Scope]
    created_at: dt.datetime
    used_at: Annotated[dt.datetime | None, Field(description="Its last use, to the minute")]
    expires_at: Annotated[dt.datetime | None, Field(description="Null if an earlier version created it")]


class Tokens(Answer):
    """Your API tokens that work, newest first."""

    tokens: list[TokenAnswer]


@api.get("/account/tokens", needs=None, tag=ACCOUNT)
@requires_token
def list_tokens(session: Session) -> Tokens:
    """List your API tokens. Create them on the page "Your account", where you sign in with your password."""
    return Tokens(tokens=tokens.list_own(session, current_actor(), now()))


@api.delete("/account/tokens/<token_id>", needs=None, tag=ACCOUNT)
@requires_token
def revoke_token(path: TokenPath, session: Session) -> None:
    """Revoke one of your API tokens."""
    current_actor().require_scope(Scope.MANAGE)
    tokens.revoke_own(session, path.id, by=current_actor(), now=now())
