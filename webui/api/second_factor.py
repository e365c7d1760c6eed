"""Whether the practice requires a second factor, and how large a CONFIRM needs verification."""

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.models.practices import Practice
from core.practices import factor_setting, practice_queries
from webui.api.blueprint import api
from webui.api.models import Answer, Ceiling
from webui.api.users import USERS_AND_LIMITS, AnyLimits, limit_value
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor

_REQUIRED: Final = "Approvers and administrators without a second factor set one up before anything else"
_LARGE_CONFIRM: Final = (
    "On the pages, a CONFIRM that writes off more needs verification. A token needed it when it was created"
)


class SecondFactorChange(AnyLimits):
    """What to change. What is left out does not change."""

    LIMITS: ClassVar = ("large_confirm_cents",)
    required: Annotated[bool | None, Field(description=_REQUIRED)] = None
    large_confirm_cents: Annotated[Ceiling, Field(description=_LARGE_CONFIRM)] = 0


class SecondFactorAnswer(Answer):
    """The practice's choices about second factors."""

    practice: str
    required: Annotated[bool, Field(description=_REQUIRED)]
    large_confirm_cents: Annotated[Ceiling, Field(description=_LARGE_CONFIRM)]
    users_without: Annotated[int, Field(description="Active approvers and administrators without a second factor")]


@api.get("/second-factor", needs=Action.SEE_CLAIMS, tag=USERS_AND_LIMITS)
def show_second_factor(session: Session) -> SecondFactorAnswer:
    """Show whether a second factor is required, and how large a CONFIRM needs verification."""
    return _answer(session, practice_queries.find(session, current_actor().practice_id))


@api.patch("/second-factor", needs=Action.CHANGE_SETTING, tag=USERS_AND_LIMITS)
def change_second_factor(body: SecondFactorChange, session: Session) -> SecondFactorAnswer:
    """Change whether a second factor is required, or how large a CONFIRM needs verification."""
    changed: dict[str, Any] = {"required": body.required, **body.cents()}
    return _answer(session, factor_setting.change(session, **changed, by=current_actor(), now=now()))


def _answer(session: Session, practice: Practice) -> SecondFactorAnswer:
    return SecondFactorAnswer(
        practice=practice.name,
        required=practice.second_factor_required,
        large_confirm_cents=limit_value(practice.large_confirm_cents),
        users_without=factor_setting.count_without(session, practice.id),
    )
