"""The practice's own reasons for write-offs."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.db.engine import transaction
from core.enums.ledger import WriteOffReason
from core.models.practices import PracticeReason
from core.practices import reasons
from webui.api.blueprint import PRACTICE, api
from webui.api.models import Answer
from webui.api.request_parsing import Body, Parameters
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

_ADJUSTMENT_CODE = "The reason's code in your practice-management system, up to 40 characters"


class ReasonsQuery(Parameters):
    """A filter for reasons."""

    all: Annotated[bool, Field(description="Include retired reasons"), BeforeValidator(reading.parse_bool)] = False


class ReasonPath(BaseModel):
    """The reason's code."""

    code: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Accept any text as a code."""
        return cls(code=given["code"])


class NewReason(Body):
    """A reason in the practice's own words."""

    name: str
    kind: Annotated[str, Field(description=f"The built-in kind, which the rules use: {', '.join(WriteOffReason)}")]
    adjustment_code: Annotated[str, Field(description=_ADJUSTMENT_CODE)] = ""
    gl_account: str = ""


class ReasonChange(Body):
    """The fields to change. A field that is left out or null does not change."""

    name: str | None = None
    adjustment_code: Annotated[str | None, Field(description=_ADJUSTMENT_CODE)] = None
    gl_account: str | None = None


class Reason(Answer):
    """A reason for write-offs."""

    code: Annotated[str, Field(description="Use it as the reason for a job or a schedule. It never changes")]
    name: str
    kind: WriteOffReason
    adjustment_code: str
    gl_account: str
    retired_at: dt.datetime | None
    changed_at: dt.datetime


class Reasons(Answer):
    """The practice's reasons, by name; retired ones last."""

    reasons: list[Reason]


@api.get("/write-off-reasons", needs=Action.SEE_CLAIMS, tag=PRACTICE)
def list_reasons(query: ReasonsQuery, session: Session) -> Reasons:
    """List the reasons for jobs and schedules."""
    return Reasons(reasons=reasons.list_reasons(session, current_actor().practice_id, active_only=not query.all))


@api.post("/write-off-reasons", needs=Action.CHANGE_SETTING, tag=PRACTICE, status=201, problems=[409])
def add_reason(body: NewReason) -> Reason:
    """Add a reason of a built-in kind."""
    return _run(reasons.add, **body.model_dump())


@api.put("/write-off-reasons/<code>", needs=Action.CHANGE_SETTING, tag=PRACTICE, problems=[409])
def change_reason(path: ReasonPath, body: ReasonChange) -> Reason:
    """Change a reason's name or codes. Existing jobs keep the name and codes from their preview."""
    return _run(reasons.change, path.code, body.model_dump(exclude_none=True))


@api.post("/write-off-reasons/<code>/retire", needs=Action.CHANGE_SETTING, tag=PRACTICE, problems=[409])
def retire_reason(path: ReasonPath) -> Reason:
    """Stop offering a reason. Jobs that use it keep it. A second call changes nothing."""
    return _run(reasons.retire, path.code)


@api.post("/write-off-reasons/<code>/restore", needs=Action.CHANGE_SETTING, tag=PRACTICE)
def restore_reason(path: ReasonPath) -> Reason:
    """Offer a retired reason again. A second call changes nothing."""
    return _run(reasons.restore, path.code)


def _run(act: Callable[..., PracticeReason], *given: Any, **more: Any) -> Reason:
    with transaction(app_context().sessions) as session:
        return Reason.model_validate(act(session, *given, **more, by=current_actor(), now=now()))
