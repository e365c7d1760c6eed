"""One answer of a remittance as a user sees it before deciding it, and many that are posted together."""

import datetime as dt
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.intake.remittances import held, reasons, shown
from core.intake.remittances.answers import AnswerLine
from core.intake.remittances.shown import AnswerDetails
from webui.api.blueprint import api
from webui.api.models import Answer
from webui.api.remittances import REMITTANCES, AnswerPath, PayerAnswer, RemittancePath, WhyAnswer
from webui.api.request_parsing import Body
from webui.shared.app_context import app_context, now
from webui.shared.claim_views import record_view
from webui.shared.token_auth import current_actor


class GivenAdjustmentAnswer(Answer):
    """An adjustment (CAS)."""

    group: str
    reason: str
    cents: Annotated[int | None, Field(description="Positive lowers the payment; null if it cannot be read")]
    action: Annotated[str, Field(description="What is done with it; empty if nothing was decided")]


class AnswerLineAnswer(Answer):
    """A service line of an answer (SVC), or its claim level."""

    ordinal: Annotated[int, Field(description="Place in the answer; 0 for the claim level")]
    line: Annotated[int | None, Field(description="The practice's service line; null if not matched")]
    code: str
    modifiers: tuple[str, ...]
    charge_cents: Annotated[int | None, Field(description="SVC02; null if it cannot be read")]
    paid_cents: Annotated[int | None, Field(description="SVC03; null if it cannot be read")]
    adjustments: list[GivenAdjustmentAnswer]
    remarks: list[str]


class SumsAnswer(Answer):
    """What a held answer would post now."""

    payments_cents: int
    adjustments_cents: int
    to_patient_cents: int
    reversed_cents: int


class MatchedClaimAnswer(Answer):
    """The claim that a held answer was matched to, to compare it with."""

    patient_name: str
    members: Annotated[list[str], Field(description="Member IDs that the claim was sent with")]
    service_on: dt.date
    charge_cents: int
    insurance_cents: Annotated[int, Field(description="What the insurance still owes")]
    patient_cents: Annotated[int, Field(description="What the patient still owes")]


class PayerAnswerDetails(PayerAnswer):
    """An answer with its lines. A held one is decided again, so its claim, reasons and actions are those of now."""

    lines: list[AnswerLineAnswer]
    matched_claim: Annotated[MatchedClaimAnswer | None, Field(description="Null if it is not held or not matched")]
    why: Annotated[list[WhyAnswer], Field(description="The reasons, each with its place in the file and its cure")]
    accepts: Annotated[list[str], Field(description="Reasons that you accept by posting")]
    blocks: Annotated[list[str], Field(description="Reasons that no user can accept")]
    posts: SumsAnswer
    shown: Annotated[str | None, Field(description="To post the answer as shown, send this; null if it is not held")]


@api.get("/remittances/<remittance_id>/claims/<ordinal>", needs=Action.SEE_CLAIMS, tag=REMITTANCES)
def show_answer(path: AnswerPath) -> PayerAnswerDetails:
    """Return an answer as it stands now."""
    with app_context().sessions() as session:
        details = shown.show(session, current_actor().practice_id, *path.key, now=now())
    record_view(details.answer.claim, by=current_actor())
    return _details(details)


class ToPostTogether(Body):
    """How to post the held answers of a remittance together."""

    accepts: Annotated[list[str], Field(description="Codes that hold the whole remittance, such as `payee_unknown`")]
    posted_on: Annotated[reading.Day | None, Field(description="Posting date; null means the date of the payment")] = (
        None
    )


class PostedTogether(Answer):
    """What became of held answers that were decided again together."""

    posted: int
    held: Annotated[int, Field(description="Still held")]


@api.post("/remittances/<remittance_id>/post", needs=Action.POST, tag=REMITTANCES, problems=[409])
def post_together(path: RemittancePath, body: ToPostTogether, session: Session) -> PostedTogether:
    """Post up to 200 held answers that nothing else holds."""
    given: dict[str, Any] = {"accepts": body.accepts, "posted_on": body.posted_on}
    done = held.post_all(session, path.id, **given, by=current_actor(), now=now())
    return PostedTogether(**done._asdict())


def _details(details: AnswerDetails) -> PayerAnswerDetails:
    sums = dict(zip(SumsAnswer.model_fields, details.sums, strict=True))
    return PayerAnswerDetails.model_validate({
        **vars(details.answer), "words": list(map(reasons.describe, details.answer.reasons)),
        "lines": list(map(_line, details.lines)), "why": details.why, "matched_claim": details.claim,
        "accepts": details.accepted, "blocks": details.blocking, "posts": sums, "shown": details.token or None,
    })  # fmt: skip


def _line(line: AnswerLine) -> AnswerLineAnswer:
    amounts = {"charge_cents": ("SVC02", line.charge_cents), "paid_cents": ("SVC03", line.paid_cents)}
    return AnswerLineAnswer.model_validate({
        **{name: getattr(line, name) for name in ("ordinal", "line", "code", "modifiers", "remarks")},
        **{name: None if element in line.unreadable else cents for name, (element, cents) in amounts.items()},
        "adjustments": [
            {"group": one.group, "reason": one.reason, "cents": one.known_cents, "action": one.action}
            for one in line.adjustments
        ],
    })  # fmt: skip
