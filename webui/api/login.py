"""Sign in with a password for a token, and revoke the token. `settle login` and `settle logout` call it."""

from typing import Annotated, Any, Final

from flask import request
from pydantic import Field
from sqlalchemy.orm import Session

from core.access import own_password, second_factor, tokens, users
from core.access.password_sign_in import PasswordSignInOff
from core.access.permissions import Actor
from core.access.second_factor import FactorNeeded
from core.db.engine import transaction
from core.enums.people import Role
from core.models.people import User
from core.practices import practice_queries
from webui.api.blueprint import Tag, api
from webui.api.models import Answer
from webui.api.request_parsing import Body, open_to_all, requires_token
from webui.shared.app_context import app_context, now
from webui.shared.clients import client_address
from webui.shared.failed_sign_ins import limit_failed_sign_ins
from webui.shared.token_auth import current_actor, current_token

SIGN_IN: Final = Tag(name="Sign-in", description="A token for an e-mail address and a password")


class SignIn(Body):
    """What the sign-in page asks for."""

    email: str
    password: str
    new_password: Annotated[
        str, Field(description="Required once if you did not choose the current password yourself")
    ] = ""
    keep_tokens: Annotated[bool, Field(description="Whether API tokens stay valid after `new_password`")] = False
    code: Annotated[
        str, Field(description="With a second factor: the code that the authenticator app shows, or a recovery code")
    ] = ""


class SignedIn(Answer):
    """A new token, and the user that it acts for."""

    token: Annotated[str, Field(description="Shown only once")]
    email: str
    name: str
    role: Role
    practice: str


def _typed_email() -> str:
    body: Any = request.get_json(silent=True)
    return str(body.get("email", "")) if isinstance(body, dict) else ""


@api.post("/login", needs=None, tag=SIGN_IN, status=201, problems=[403, 429], security=[{}])  # {}: no token is required
@limit_failed_sign_ins(_typed_email)
@open_to_all
def log_in(body: SignIn) -> SignedIn:
    """Create a token for a user with their password. The limit on failed sign-ins is shared with the sign-in page.

    `code_needed` asks for the code of a second factor. A new password is saved first, so repeat the request with it as
    the `password`.
    """
    who: dict[str, Any]
    password, who = body.new_password or body.password, {"email": body.email, "address": client_address(), "now": now()}
    if body.new_password:
        with transaction(app_context().sessions) as session:
            own_password.change_given(session, **who, old=body.password, new=password, keep_tokens=body.keep_tokens)
    with transaction(app_context().sessions) as session:
        actor = _sign_in(session, {**who, "password": password, "code": body.code})
        user = session.get_one(User, actor.user_id)
        if second_factor.is_missing(session, user):
            raise FactorNeeded
        token = tokens.add_token(session, user, now(), by=actor.user_id, name=tokens.LOGIN_NAME)
        practice = practice_queries.find(session, actor.practice_id)
        return SignedIn(token=token, email=actor.email, name=actor.name, role=actor.role, practice=practice.name)


def _sign_in(session: Session, given: dict[str, Any]) -> Actor:
    """Sign in. If passwords are off, say what a program or a command does instead."""
    try:
        return users.sign_in(session, **given)
    except PasswordSignInOff as refusal:
        raise PasswordSignInOff(
            "Your practice signs in with single sign-on, so passwords are off. Sign in on the page, create an API "
            "token on Your account, and set SETTLE_SERVER and SETTLE_TOKEN."
        ) from refusal


@api.post("/logout", needs=None, tag=SIGN_IN)
@requires_token
def log_out(session: Session) -> None:
    """Revoke the token that this request uses."""
    actor = current_actor()
    tokens.revoke(session, current_token(), now(), by=actor.user_id)
