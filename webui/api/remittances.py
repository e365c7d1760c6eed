"""Remittances (835): what payers answered, and the held answers that a person matches, posts or ignores."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from core import paging, reading
from core.access.permissions import Action
from core.db.engine import transaction
from core.enums.ledger import PaidBy
from core.enums.remittances import Outcome
from core.errors import NotFound
from core.intake.remittances import commands, queries, reasons, retry
from core.intake.remittances.commands import AnswerKey
from core.intake.remittances.queries import AnswerRow, RemittanceRow
from core.models.remittances import RemittanceClaim
from webui.api.blueprint import Tag, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import AnyPage, Body, IdPath, Page
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

REMITTANCES: Final = Tag(name="Remittances", description="Payers' answers (835), and what was posted from them")


class RemittancePath(IdPath):
    """The remittance's ID."""

    missing = NotFound
    remittance_id: str


class AnswerPath(BaseModel):
    """The remittance's ID, and the place of the claim in it."""

    remittance_id: str
    ordinal: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Accept two numbers. Raise `NotFound`."""
        if not all(reading.number(given[name]) for name in ("remittance_id", "ordinal")):
            raise NotFound("There is no such claim of a remittance.")
        return cls(remittance_id=given["remittance_id"], ordinal=given["ordinal"])

    @property
    def key(self) -> AnswerKey:
        """Return the answer's key."""
        return AnswerKey(int(self.remittance_id), int(self.ordinal))


class AnswersQuery(AnyPage):
    """A page of answers."""

    outcome: Annotated[Outcome | None, Field(description="Only answers with this outcome")] = None
    remittance: Annotated[
        int | None,
        Field(ge=1, description="Only answers of the remittance with this ID"),
        BeforeValidator(reading.whole_number("enter the remittance's ID")),
    ] = None


class ToMatch(Body):
    """The claim to match."""

    claim: Annotated[str, Field(description="The practice's own claim ID")]


class ToPost(Body):
    """How to post a held answer."""

    shown: Annotated[str, Field(description="From the answer as it was shown; if it is different now, it stays held")]
    posted_on: Annotated[reading.Day | None, Field(description="Posting date; null means the date of the payment")] = (
        None
    )
    note: Annotated[str, Field(description="Note, up to 500 characters")] = ""


class ToIgnore(Body):
    """Why nothing is posted."""

    why: Annotated[str, Field(description="Reason, 1 to 500 characters")]


class OneRemittance(Answer):
    """A remittance. The claims' payments less the provider adjustments are the payment."""

    id: Id
    file: str
    payer: str
    trace: Annotated[str, Field(description="Check or transfer number")]
    paid_on: dt.date | None
    paid_cents: int
    claims_cents: int
    provider_cents: Annotated[int, Field(description="Provider adjustments; positive lowers the payment")]
    claims: int
    outcomes: Annotated[dict[str, int], Field(description="Number of claims with each outcome")]
    held_because: Annotated[str | None, Field(description="Why the whole remittance is held, in words")]


class ProviderAdjustmentAnswer(Answer):
    """Money between payer and provider that belongs to no claim. It is never posted."""

    provider_id: str
    reason: str
    reference: str
    cents: Annotated[int, Field(description="Positive lowers the payment")]


class WhyAnswer(Answer):
    """A reason why something is held, or a warning."""

    code: str
    words: str
    detail: Annotated[str, Field(description="What it is about, such as `payer $136.00, claim $135.00`, or empty")]
    places: Annotated[list[str], Field(description="Where in the file, such as `segment 17, CLP03`, with the amounts")]
    cure: Annotated[str, Field(description="What to do; empty for a warning")]


class RemittanceDetails(OneRemittance):
    """A remittance with what is wrong with it as a whole, and its provider adjustments."""

    why: list[WhyAnswer]
    provider_adjustments: list[ProviderAdjustmentAnswer]


class RemittancesAnswer(Answer):
    """A page of remittances, newest first."""

    remittances: list[OneRemittance]
    next_cursor: str | None


class PayerAnswer(Answer):
    """A payer's answer on a claim."""

    remittance_id: Id
    ordinal: Annotated[int, Field(description="Place of the claim in the remittance")]
    payer: str
    trace: Annotated[str, Field(description="Check or transfer number of the remittance")]
    paid_on: dt.date | None
    claim_number: Annotated[str, Field(description="As the payer returned it")]
    claim: Annotated[str | None, Field(description="The practice's own claim ID; null if not matched")]
    patient_name: Annotated[str, Field(description="As the payer wrote it")]
    member_id: str
    status: Annotated[str, Field(description="CLP02")]
    payer_claim_id: str
    role: PaidBy | None
    charge_cents: Annotated[int | None, Field(description="CLP03; null if it cannot be read")]
    paid_cents: Annotated[int | None, Field(description="CLP04; null if it cannot be read")]
    patient_cents: Annotated[int | None, Field(description="CLP05; null if it cannot be read")]
    unreadable: Annotated[list[str], Field(description="Elements that cannot be read, such as CLP04")]
    first_on: dt.date | None
    last_on: dt.date | None
    outcome: Outcome
    reasons: Annotated[list[str], Field(description="Codes of what holds it, or of warnings")]
    words: Annotated[list[str], Field(description="The reasons in words")]
    posted_at: dt.datetime | None
    decided_by: str | None
    note: str | None


class PayerAnswers(Answer):
    """A page of answers, newest remittance first."""

    answers: list[PayerAnswer]
    next_cursor: str | None


@api.get("/remittances", needs=Action.SEE_CLAIMS, tag=REMITTANCES)
def list_remittances(query: Page, session: Session) -> RemittancesAnswer:
    """List remittances, newest first."""
    rows, before = queries.list_remittances(
        session, current_actor().practice_id, before=query.after(), limit=query.limit
    )
    cursor = None if before is None else str(before)
    return RemittancesAnswer(remittances=[_facts(row) for row in rows], next_cursor=cursor)


@api.get("/remittances/<remittance_id>", needs=Action.SEE_CLAIMS, tag=REMITTANCES)
def show_remittance(path: RemittancePath, session: Session) -> RemittanceDetails:
    """Return a remittance with what is wrong with it as a whole, and its provider adjustments."""
    practice_id = current_actor().practice_id
    row = queries.find_remittance(session, practice_id, path.id)
    given = queries.list_provider_adjustments(session, practice_id, path.id)
    return RemittanceDetails(**_facts(row), why=row.why, provider_adjustments=given)


@api.get("/remittance-claims", needs=Action.SEE_CLAIMS, tag=REMITTANCES)
def list_answers(query: AnswersQuery, session: Session) -> PayerAnswers:
    """List the payers' answers on claims, newest remittance first."""
    first, second = paging.read_cursor(query.cursor, numbers=2) if query.cursor else (0, 0)
    rows, last = queries.list_answers(
        session, current_actor().practice_id, outcomes=[query.outcome] if query.outcome else list(Outcome),
        remittance_id=query.remittance,
        after=(first, second) if query.cursor else None, limit=query.limit,
    )  # fmt: skip
    cursor = paging.write_cursor(*last) if last else None
    return PayerAnswers(answers=list(map(as_answer, rows)), next_cursor=cursor)


@api.post("/remittances/<remittance_id>/claims/<ordinal>/match", needs=Action.POST, tag=REMITTANCES, problems=[409])
def match_answer(path: AnswerPath, body: ToMatch) -> PayerAnswer:
    """Match a held answer to a claim. Repeating the request changes nothing."""
    return _act(commands.match, path.key, body.claim)


@api.post("/remittances/<remittance_id>/claims/<ordinal>/post", needs=Action.POST, tag=REMITTANCES, problems=[409])
def post_answer(path: AnswerPath, body: ToPost) -> PayerAnswer:
    """Post a held answer. Repeating the request changes nothing."""
    return _act(commands.post, path.key, shown=body.shown, posted_on=body.posted_on, note=body.note)


@api.post("/remittances/<remittance_id>/claims/<ordinal>/ignore", needs=Action.POST, tag=REMITTANCES, problems=[409])
def ignore_answer(path: AnswerPath, body: ToIgnore) -> PayerAnswer:
    """Take a held answer off the list without posting it. Repeating the request changes nothing."""
    return _act(commands.ignore, path.key, body.why)


@api.post("/remittances/<remittance_id>/claims/<ordinal>/hold", needs=Action.POST, tag=REMITTANCES, problems=[409])
def hold_answer_again(path: AnswerPath) -> PayerAnswer:
    """Put an ignored answer back on the list of held ones. Repeating the request changes nothing."""
    return _act(commands.hold_again, path.key)


class Retried(Answer):
    """What became of held answers that were matched again."""

    posted: int
    held: Annotated[int, Field(description="Held for another reason")]


@api.post("/remittances/retry", needs=Action.POST, tag=REMITTANCES, problems=[409])
def retry_unmatched(session: Session) -> Retried:
    """Match up to 200 held answers to claims again, as in an import, and post those that no reason holds."""
    done = retry.retry_unmatched(session, by=current_actor(), now=now())
    return Retried(**done._asdict())


def _act(act: Callable[..., RemittanceClaim], key: AnswerKey, *given: Any, **more: Any) -> PayerAnswer:
    with transaction(app_context().sessions) as session:
        act(session, key, *given, **more, by=current_actor(), now=now())
        row = queries.find_answer(session, current_actor().practice_id, *key)
    return as_answer(row)


def _facts(row: RemittanceRow) -> dict[str, Any]:
    one = row.remittance
    return {
        "id": one.id, "file": one.file_name, "payer": one.payer_name, "trace": one.trace, "paid_on": one.paid_on,
        "paid_cents": one.paid_cents, "claims_cents": one.claims_cents, "provider_cents": one.provider_cents,
        "claims": one.claims, "outcomes": {key.value: count for key, count in row.outcomes.items()},
        "held_because": one.held_because and reasons.describe(one.held_because),
    }  # fmt: skip


def as_answer(row: AnswerRow) -> PayerAnswer:
    """Return the answer as JSON shows it."""
    return PayerAnswer.model_validate({**vars(row), "words": list(map(reasons.describe, row.reasons))})
