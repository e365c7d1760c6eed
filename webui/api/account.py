"""The user's own account."""

from typing import Annotated, Any, Final

from flask_openapi3.models.tag import Tag
from pydantic import Field

from core.access import own_password
from core.db.engine import transaction
from webui.api.blueprint import api, problem_responses
from webui.api.request_parsing import Body, requires_token
from webui.shared.app_context import app_context, now
from webui.shared.auth import limit_failed_sign_ins
from webui.shared.token_auth import actor_or_none, current_actor

ACCOUNT: Final = Tag(name="Your account", description="Your own password")


class PasswordChange(Body):
    """Your current password and a new one."""

    password: str
    new_password: Annotated[str, Field(description="At least 12 characters, and not easy to guess")]


def _own_email() -> str:
    actor = actor_or_none()
    return actor.email if actor else ""


_ANSWERS: Final[dict[str, Any]] = {"responses": {204: None, **problem_responses(400, 413, 415, 422, 429)}}


@api.put("/account/password", tags=[ACCOUNT], **_ANSWERS)
@limit_failed_sign_ins(_own_email)
@requires_token
def change_password(body: PasswordChange) -> tuple[str, int]:
    """Change your password. This ends the sessions of your browsers. API tokens stay valid."""
    with transaction(app_context().sessions) as session:
        own_password.change(session, old=body.password, new=body.new_password, by=current_actor(), now=now())
    return "", 204
