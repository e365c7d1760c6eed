"""Exclusions: patients and payers excluded from write-offs."""

import datetime as dt
from http import HTTPStatus
from typing import Annotated, Any

from flask import Response, jsonify
from pydantic import BeforeValidator, Field

from core import reading
from core.access.permissions import Action
from core.db.engine import transaction
from core.practices import exclusions, practice_days, practice_queries
from core.practices.exclusions import ExclusionRow, NoSuchExclusion
from webui.api.blueprint import CLAIMS, api, problem_responses
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, IdPath, Page, requires
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


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


@api.get("/exclusions", tags=[CLAIMS], responses={200: ExclusionsAnswer})
@requires(Action.SEE_CLAIMS)
def list_exclusions(query: ExclusionsQuery) -> Response:
    """List patients and payers excluded from write-offs, newest first."""
    found = _listed(lasting_only=not query.all, before_id=query.after(), limit=query.limit + 1)
    shown = found[: query.limit]
    answer = ExclusionsAnswer(
        exclusions=[ExclusionAnswer.model_validate(row) for row in shown],
        next_cursor=str(shown[-1].id) if len(found) > len(shown) else None,
    )
    return jsonify(answer.json_ready())


@api.post("/exclusions", tags=[CLAIMS], responses={201: ExclusionAnswer, **problem_responses(400, 409, 413, 415)})
@requires(Action.EXCLUDE)
def make_exclusion(body: NewExclusion) -> tuple[Response, int]:
    """Exclude a patient or a payer. No job, not even one already running, will write off their claims."""
    actor = current_actor()
    with transaction(app_context().sessions) as session:
        made = exclusions.exclude(
            session, patient=body.patient, payer=body.payer, reason=body.why, until=body.until, by=actor, now=now()
        )
    return jsonify(_one(made).json_ready()), HTTPStatus.CREATED


@api.post("/exclusions/<exclusion_id>/end", tags=[CLAIMS], responses={200: ExclusionAnswer, **problem_responses(404)})
@requires(Action.EXCLUDE)
def end_exclusion(path: ExclusionPath) -> Response:
    """End an exclusion. Repeating the request changes nothing."""
    with transaction(app_context().sessions) as session:
        exclusions.end(session, path.id, by=current_actor(), now=now())
    return jsonify(_one(path.id).json_ready())


def _one(exclusion_id: int) -> ExclusionAnswer:
    return ExclusionAnswer.model_validate(_listed(lasting_only=False, before_id=exclusion_id + 1, limit=1)[0])


def _listed(**which: Any) -> list[ExclusionRow]:
    practice_id = current_actor().practice_id
    with app_context().sessions() as session:
        today = practice_days.today(practice_queries.find(session, practice_id), now=now())
        return exclusions.list_exclusions(session, practice_id, today=today, **which)
