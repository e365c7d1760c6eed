"""Single sign-on: the practice's identity provider. Users sign in through it on the pages; tokens need none."""

from typing import Annotated, Final

from pydantic import Field, Strict
from sqlalchemy.orm import Session

from core.access import user_management
from core.access.permissions import Action
from core.enums.people import Role
from core.single_sign_on import check, settings
from core.single_sign_on.settings import NoSingleSignOn
from core.single_sign_on.wanted import GroupToRole, Wanted
from webui.api.blueprint import Tag, api
from webui.api.models import Answer
from webui.api.request_parsing import Body
from webui.api.users import USERS_AND_LIMITS, UserAnswer, UserPath, user_answer
from webui.shared.app_context import app_context, now
from webui.shared.identity_provider import redirect_uri, web_client
from webui.shared.token_auth import current_actor

SINGLE_SIGN_ON: Final = Tag(name="Single sign-on", description="The practice's identity provider (OpenID Connect)")
_PASSWORDS: Final = "Whether passwords sign in too. Only a browser that signed in through the provider turns them off"
_FACTOR: Final = "Whether each sign-in there counts as a second factor, not only those that the provider marks"
_ADDS: Final = "Whether a first sign-in without an account adds one, with the role of the group and limits of 0"


class GroupRoleBody(Body):
    """A group of the identity provider, and the role of its members."""

    group: str
    role: Annotated[Role, Strict(strict=False)]  # JSON has only text


class SingleSignOnBody(Body):
    """The settings as they shall be. Without a client secret, the saved one stays."""

    active: bool
    issuer: str
    client_id: str
    client_secret: Annotated[str | None, Field(description="No answer contains it")] = None
    domains: Annotated[list[str], Field(description="Of e-mail addresses at a first sign-in")]
    groups_claim: str = ""
    groups: Annotated[
        list[GroupRoleBody], Field(description="The first that a user is in gives the role", default_factory=list)
    ]
    adds_users: Annotated[bool, Field(description=_ADDS)] = False
    asks_second_factor: Annotated[bool, Field(description=_FACTOR)] = False
    password_sign_in: Annotated[bool, Field(description=_PASSWORDS)] = True


class GroupRoleAnswer(Answer):
    """A group of the identity provider, and the role of its members."""

    group: str
    role: Role


class SingleSignOnAnswer(Answer):
    """The settings, without the client secret."""

    active: bool
    issuer: str
    client_id: str
    has_client_secret: bool
    domains: list[str]
    groups_claim: str
    groups: list[GroupRoleAnswer]
    adds_users: Annotated[bool, Field(description=_ADDS)]
    asks_second_factor: Annotated[bool, Field(description=_FACTOR)]
    password_sign_in: Annotated[bool, Field(description=_PASSWORDS)]
    redirect_uri: Annotated[str, Field(description="To be registered at the identity provider")]


class TestAnswer(Answer):
    """What the identity provider publishes."""

    words: str
    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str | None
    keys: int


@api.get("/single-sign-on", needs=Action.CHANGE_SETTING, tag=SINGLE_SIGN_ON)
def show_single_sign_on(session: Session) -> SingleSignOnAnswer:
    """Show the practice's identity provider."""
    return _answer(session)


@api.put("/single-sign-on", needs=Action.CHANGE_SETTING, tag=SINGLE_SIGN_ON, problems=[409])
def save_single_sign_on(body: SingleSignOnBody, session: Session) -> SingleSignOnAnswer:
    """Save the practice's identity provider."""
    groups = [GroupToRole(one.group, one.role) for one in body.groups]
    wanted = Wanted(**{**body.model_dump(), "groups": groups})
    settings.save(session, wanted, reach=app_context().settings.webhook_reach, by=current_actor(), now=now())
    return _answer(session)


@api.post("/single-sign-on/test", needs=Action.CHANGE_SETTING, tag=SINGLE_SIGN_ON, problems=[404, 502])
def test_single_sign_on() -> TestAnswer:
    """Ask the identity provider of the saved settings for its addresses and keys."""
    with app_context().sessions() as session:
        saved = settings.show(session, current_actor())
    if saved is None:
        raise NoSingleSignOn
    tested = check.test(saved.settings.issuer, web_client())
    found = tested.metadata
    return TestAnswer(
        words=check.words(tested), authorization_endpoint=found.authorization_endpoint,
        token_endpoint=found.token_endpoint, end_session_endpoint=found.end_session_endpoint, keys=tested.key_count,
    )  # fmt: skip


@api.delete("/users/<user_id>/identity", needs=Action.MANAGE_USERS, tag=USERS_AND_LIMITS)
def unlink_identity(path: UserPath, session: Session) -> UserAnswer:
    """Unlink another user from the identity provider, and sign them out. Their next sign-in there links them again."""
    user = path.find(session)
    return user_answer(user_management.unlink_identity(session, user.id, by=current_actor(), now=now()))


def _answer(session: Session) -> SingleSignOnAnswer:
    """Return the saved settings, or those of a practice without any."""
    saved = settings.show(session, current_actor())
    found = settings.wanted_of(saved)
    return SingleSignOnAnswer(
        **found._asdict(), has_client_secret=bool(saved and saved.settings.client_secret), redirect_uri=redirect_uri(),
    )  # fmt: skip
