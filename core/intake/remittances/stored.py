"""Store answers with what was decided, and load them again."""

import datetime as dt
import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Table, insert, select, text, update
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.remittances import POSTED_OUTCOMES
from core.intake.loading.stages import insert_copied
from core.intake.remittances import reasons
from core.intake.remittances.answers import Answer, AnswerLine, GivenAdjustment
from core.intake.remittances.decision import Decision
from core.intake.remittances.reasons import Finding
from core.intake.remittances.survey import Transaction
from core.models.remittances import ProviderAdjustment, Remittance, RemittanceClaim, RemittanceLine

Decided = tuple[Answer, int | None, Decision]  # with the practice's claim, if it was matched
_CLAIM_COLUMNS: Final = (
    "practice_id", "remittance_id", "ordinal", "claim_number", "status", "payer_claim_id", "patient_name", "member_id",
    "charge_cents", "paid_cents", "patient_cents", "first_on", "last_on", "has_next_payer", "faults", "claim_id",
    "payer_role", "outcome", "reasons", "postings", "reverses_remittance_id", "reverses_ordinal", "posted_at",
    "unreadable",
)  # fmt: skip
_LINE_COLUMNS: Final = (
    "practice_id", "remittance_id", "claim_ordinal", "ordinal", "code", "modifiers", "submitted_code",
    "submitted_modifiers", "charge_cents", "paid_cents", "adjustments", "remarks", "control_number", "service_on",
    "line", "unreadable",
)  # fmt: skip
# What the payer said. Decisions never change it.
_SAID: Final = text("""
    SELECT encode(sha256(convert_to(jsonb_build_array(
        (SELECT jsonb_agg(jsonb_build_array(a.ordinal, a.claim_number, a.status, a.charge_cents, a.paid_cents,
             a.patient_cents) ORDER BY a.ordinal)
         FROM remittance_claim a WHERE a.practice_id = :practice_id AND a.remittance_id = :remittance_id),
        (SELECT jsonb_agg(jsonb_build_array(l.claim_ordinal, l.ordinal, l.code, l.charge_cents, l.paid_cents,
             jsonb_path_query_array(l.adjustments, '$[*][0 to 2]')) ORDER BY l.claim_ordinal, l.ordinal)
         FROM remittance_line l WHERE l.practice_id = :practice_id AND l.remittance_id = :remittance_id)
    )::text, 'UTF8')), 'hex')""")
_PROVIDER_COLUMNS: Final = ("practice_id", "remittance_id", "ordinal", "provider_id", "reason", "reference", "cents")


def store_remittance(
    session: Session,
    practice_id: int,
    transaction: Transaction,
    *,
    found: Sequence[Finding],
    import_id: int | None,
    by: Actor | None,
    now: dt.datetime,
) -> int:
    """Insert the remittance with what was found wrong, and return its id."""
    payment = transaction.payment
    made = insert(Remittance).values(
        practice_id=practice_id, import_id=import_id, file_name=transaction.path.name, ordinal=transaction.ordinal,
        digest=transaction.digest, version=transaction.opened.version,
        payer_name=payment.payer.name if payment.payer else "", payer_id=payment.payer.id if payment.payer else "",
        payer_tax_id=payment.payer_tax_id, payee_id=payment.payee.id if payment.payee else "", trace=payment.trace,
        method=payment.method, paid_on=payment.paid_on, paid_cents=payment.paid_cents,
        claims_cents=transaction.claims_cents, provider_cents=transaction.provider_cents, claims=transaction.claims,
        held_because=reasons.worst_of_whole(found), faults=found, received_at=now, user_id=by.user_id if by else None,
    )  # fmt: skip
    return session.scalars(made.returning(Remittance.id)).one()


def store_answers(
    session: Session, practice_id: int, remittance_id: int, decided: Sequence[Decided], *, now: dt.datetime
) -> None:
    """Copy the answers and their lines."""
    key = (practice_id, remittance_id)
    claims = (
        (
            *key, answer.ordinal, answer.claim_number, answer.status, answer.payer_claim_id, answer.patient_name,
            answer.member_id, answer.charge_cents, answer.paid_cents, answer.patient_cents, answer.first_on,
            answer.last_on, answer.has_next_payer, _json(answer.faults), claim_id,
            decision.role and decision.role.value,
            decision.outcome.value, _json(decision.reasons), len(decision.postings),
            *(decision.reverses or (None, None)),
            now if decision.outcome in POSTED_OUTCOMES else None, _json(answer.unreadable),
        )
        for answer, claim_id, decision in decided
    )  # fmt: skip
    lines = (
        (
            *key, answer.ordinal, line.ordinal, line.code, _json(line.modifiers), line.submitted_code,
            _json(line.submitted_modifiers), line.charge_cents, line.paid_cents, _json(_given(line)),
            _json(line.remarks), line.control_number, line.service_on, line.line, _json(line.unreadable),
        )
        for answer, *_ in decided
        for line in lines_of(answer)
    )  # fmt: skip
    insert_copied(session, _table(RemittanceClaim).name, _CLAIM_COLUMNS, claims)
    insert_copied(session, _table(RemittanceLine).name, _LINE_COLUMNS, lines)


def store_provider_adjustments(session: Session, practice_id: int, remittance_id: int, given: Sequence[Any]) -> None:
    """Copy provider adjustments as the reader returns them."""
    rows = (
        (practice_id, remittance_id, place, one.provider_id, one.reason, one.reference, one.cents)
        for place, one in enumerate(given, 1)
    )
    insert_copied(session, _table(ProviderAdjustment).name, _PROVIDER_COLUMNS, rows)


def update_answer(
    session: Session, row: RemittanceClaim, answer: Answer, decision: Decision, *, by: Actor | None, now: dt.datetime
) -> None:
    """Store a new decision for a held answer."""
    row.outcome, row.reasons, row.postings = decision.outcome, decision.reasons, len(decision.postings)
    row.payer_role = decision.role
    row.reverses_remittance_id, row.reverses_ordinal = decision.reverses or (None, None)
    row.posted_at = now if decision.outcome in POSTED_OUTCOMES else None
    if by is not None:
        row.decided_by, row.decided_at = by.user_id, now
    of_answer = (
        RemittanceLine.practice_id == row.practice_id, RemittanceLine.remittance_id == row.remittance_id,
        RemittanceLine.claim_ordinal == row.ordinal,
    )  # fmt: skip
    for line in lines_of(answer):
        changed = update(RemittanceLine).where(*of_answer, RemittanceLine.ordinal == line.ordinal)
        session.execute(changed.values(line=line.line, adjustments=_given(line)))
    session.flush()


def answers_sha256(session: Session, practice_id: int, remittance_id: int) -> str:
    """Return the SHA-256 of a remittance's answers, for the audit."""
    key = {"practice_id": practice_id, "remittance_id": remittance_id}
    found: str = session.scalars(_SAID, key).one()
    return found


def load_answer(session: Session, row: RemittanceClaim) -> Answer:
    """Return the stored answer."""
    lines = session.scalars(
        select(RemittanceLine)
        .where(
            RemittanceLine.practice_id == row.practice_id, RemittanceLine.remittance_id == row.remittance_id,
            RemittanceLine.claim_ordinal == row.ordinal,
        )
        .order_by(RemittanceLine.ordinal)
    )  # fmt: skip
    loaded = [line_of(line) for line in lines]
    whole = next((line for line in loaded if line.ordinal == 0), AnswerLine(0))
    return Answer(
        row.ordinal, row.claim_number, row.status, row.payer_claim_id, row.patient_name, row.member_id,
        row.charge_cents, row.paid_cents, row.patient_cents, row.first_on, row.last_on, row.has_next_payer,
        [Finding(*one) for one in row.faults], whole, [line for line in loaded if line.ordinal],
    )  # fmt: skip


def line_of(line: RemittanceLine) -> AnswerLine:
    """Return a stored line."""
    given = [
        GivenAdjustment(group, reason, cents or 0, action or "", is_unreadable=cents is None)
        for group, reason, cents, action in line.adjustments
    ]
    return AnswerLine(
        line.ordinal, line.code, tuple(line.modifiers), line.submitted_code, tuple(line.submitted_modifiers),
        line.charge_cents, line.paid_cents, line.control_number, line.service_on, given, list(line.remarks), line.line,
        list(line.unreadable),
    )  # fmt: skip


def lines_of(answer: Answer) -> list[AnswerLine]:
    """Return the lines that are stored: the claim level only if something is in it."""
    whole = answer.whole
    return [whole, *answer.lines] if whole.adjustments or whole.remarks else answer.lines


def _given(line: AnswerLine) -> list[list[Any]]:
    return [[one.group, one.reason, None if one.is_unreadable else one.cents, one.action] for one in line.adjustments]


def _json(values: Collection[Any]) -> str:
    return json.dumps(values) if values else "[]"


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table
