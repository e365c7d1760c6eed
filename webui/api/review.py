"""The weekly review."""

import datetime as dt
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.audit import review
from core.audit.findings import KIND_WORDS, FindingKind
from webui.api.audit import AUDIT
from webui.api.blueprint import api
from webui.api.models import Answer
from webui.api.request_parsing import Parameters
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class ReviewQuery(Parameters):
    """The week."""

    week: Annotated[reading.Day | None, Field(description="Any day of the week; by default, last week")] = None


class FindingAnswer(Answer):
    """Something to look at. It is not necessarily an error."""

    kind: FindingKind
    words: Annotated[str, Field(description="The kind as a sentence shows it")]
    at: Annotated[
        dt.datetime, Field(description="Its latest event: of a change near a write-off, the later of the two")
    ]
    sentence: str
    people: list[str]
    jobs: list[str]
    claims: Annotated[list[str], Field(description="The first 20")]
    claim_count: int


class ReviewAnswer(Answer):
    """What a careful auditor would look at in a week, by kind, largest or newest first."""

    first_day: dt.date
    last_day: dt.date
    readers: Annotated[list[str], Field(description="The users who get it, by name")]
    findings: list[FindingAnswer]


@api.get("/review", needs=Action.SEE_REVIEW, tag=AUDIT)
def show_review(query: ReviewQuery, session: Session) -> ReviewAnswer:
    """Show the findings of a week from Monday through Sunday."""
    found = review.for_user(session, current_actor(), query.week, now=now())
    return ReviewAnswer(
        first_day=found.week.first_day,
        last_day=found.week.last_day,
        readers=[found.names[user_id] for user_id in found.readers],
        findings=[
            FindingAnswer(
                kind=one.kind,
                words=KIND_WORDS[one.kind],
                at=one.at,
                sentence=one.sentence,
                people=[found.names[user_id] for user_id in one.user_ids if user_id in found.names],
                jobs=[str(job_id) for job_id in one.job_ids],
                claims=list(one.claims),
                claim_count=one.claim_count,
            )
            for findings in found.findings.values()
            for one in findings
        ],
    )
