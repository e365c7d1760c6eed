"""Exclusions: patients and payers excluded from write-offs."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.practices import exclusions
from core.practices.exclusions import ExclusionRow, NoSuchExclusion
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, IdPath, Page
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor, current_day


class ExclusionsQuery(Page):
    """A page of exclusions."""

    all: Annotated[bool, Field(description="Include ended exclusions"), BeforeValidator(reading.parse_bool)] = False


class NewExclusion(Body):
    """The patient or payer to exclude, by the practice's own number."""

    patient: str | None = None
    payer: str | None = None
    why: Annotated[str, Field(description="Reason, 1 to 500 characters")] = ""
    until: Annotated[reading.Day | None, Field(description="Last day of the exclusion; null means no end date")] = None


class ExclusionPath(IdPath):
    """The exclusion's ID."""

    missing = NoSuchExclusion
    exclusion_id: str


class ExclusionAnswer(Answer):
    """An excluded patient or payer."""

    id: Id
    patient: Annotated[str | None, Field(description="The practice's own number")]
    payer: Annotated[str | None, Field(description="The practice's own number")]
    name: str
    why: Annotated[str, Field(validation_alias="reason")]
    until: Annotated[dt.date | None, Field(description="Last day of the exclusion; null means no end date")]
    made_by: Annotated[str, Field(validation_alias="created_by")]
    made_at: Annotated[dt.datetime, Field(validation_alias="created_at")]
    ended_by: str | None
    ended_at: dt.datetime | None
    lasts: bool


class ExclusionsAnswer(Answer):
    """A page of exclusions, newest first."""

    exclusions: list[ExclusionAnswer]
    next_cursor: str | None


@api.get("/exclusions", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_exclusions(query: ExclusionsQuery, session: Session) -> ExclusionsAnswer:
    """List patients and payers excluded from write-offs, newest first."""
    found = _listed(session, lasting_only=not query.all, before_id=query.after(), limit=query.limit + 1)
    shown, cursor = query.cut(found)
    return ExclusionsAnswer(exclusions=shown, next_cursor=cursor)


@api.post("/exclusions", needs=Action.EXCLUDE, tag=CLAIMS, status=201, problems=[409])
def make_exclusion(body: NewExclusion, session: Session) -> ExclusionAnswer:
    """Exclude a patient or a payer. No job, not even one already running, will write off their claims."""
    actor = current_actor()
    made = exclusions.exclude(
        session, patient=body.patient, payer=body.payer, reason=body.why, until=body.until, by=actor, now=now()
    )
    return _one(session, made)


@api.post("/exclusions/<exclusion_id>/end", needs=Action.EXCLUDE, tag=CLAIMS)
def end_exclusion(path: ExclusionPath, session: Session) -> ExclusionAnswer:
    """End an exclusion. Repeating the request changes nothing."""
    exclusions.end(session, path.id, by=current_actor(), now=now())
    return _one(session, path.id)


def _one(session: Session, exclusion_id: int) -> ExclusionAnswer:
    return ExclusionAnswer.model_validate(_listed(session, lasting_only=False, before_id=exclusion_id + 1, limit=1)[0])


def _listed(session: Session, **which: Any) -> list[ExclusionRow]:
    return exclusions.list_exclusions(session, current_actor().practice_id, today=current_day(session), **which)
