"""What a held answer says beside the claim that it was matched to: the claim's facts, and what each reason is about."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core.enums.ledger import GroupCode
from core.enums.remittances import RuleAction
from core.intake.remittances.answers import Answer, GivenAdjustment
from core.intake.remittances.below_zero import find_overdrawn
from core.intake.remittances.decision import Decision
from core.intake.remittances.our_claim import OurClaim
from core.models.claims import Claim
from core.models.practices import Patient
from core.models.remittances import Remittance
from core.money import format_cents
from core.x12.code_labels import adjustment

_PATIENT: Final = GroupCode.PATIENT_RESPONSIBILITY


@dataclass(frozen=True)
class MatchedClaim:
    """The practice's claim as the user compares it with the answer. Amounts are positive cents."""

    patient_name: str = field(repr=False)
    members: list[str]  # member IDs that it was sent with; none: unknown
    service_on: dt.date
    charge_cents: int
    insurance_cents: int  # what the insurance still owes
    patient_cents: int

    @classmethod
    def of(cls, session: Session, practice_id: int, claim: OurClaim) -> Self:
        """Return the facts of a claim."""
        of_claim = and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id)
        name = select(Patient.name).join(Claim, of_claim).where(Claim.practice_id == practice_id, Claim.id == claim.id)
        return cls(
            session.scalars(name).one(), sorted(claim.members), claim.service_on, claim.charge_cents,
            sum(line.insurance_due for line in claim.lines), sum(line.patient_due for line in claim.lines),
        )  # fmt: skip


@dataclass(frozen=True)
class _Held:
    """Everything that a detail may name."""

    session: Session
    remittance: Remittance
    answer: Answer
    claim: OurClaim
    decision: Decision


def describe_details(
    session: Session, remittance: Remittance, answer: Answer, claim: OurClaim | None, decision: Decision
) -> dict[str, str]:
    """Return what each reason is about, in words, such as "payer $136.00, claim $135.00", by its code."""
    if claim is None:
        return {}
    held = _Held(session, remittance, answer, claim, decision)
    found = {code: "; ".join(_DETAILS[code](held)) for code in decision.reasons if code in _DETAILS}
    return {code: words for code, words in found.items() if words}


def _both(payer: object, claim: object) -> Iterator[str]:
    yield f"payer {payer}, claim {claim}"


def _charges(held: _Held) -> Iterator[str]:
    return _both(format_cents(held.answer.charge_cents), format_cents(held.claim.charge_cents))


def _days(held: _Held) -> Iterator[str]:
    days = dict.fromkeys(f"{day:%m/%d/%Y}" for day in (held.answer.first_on, held.answer.last_on) if day)
    return _both(" to ".join(days), f"{held.claim.service_on:%m/%d/%Y}")


def _members(held: _Held) -> Iterator[str]:
    return _both(held.answer.member_id, " and ".join(sorted(held.claim.members)))


def _payment_date(held: _Held) -> Iterator[str]:
    if held.remittance.paid_on:
        yield f"{held.remittance.paid_on:%m/%d/%Y}"


def _adjustments(are_shown: Callable[[GivenAdjustment], bool]) -> Callable[[_Held], Iterator[str]]:
    """Return what names the adjustments for which the test is true."""
    return lambda held: (
        f"{adjustment(one.group, one.reason)} {format_cents(one.cents)}"
        for one in held.answer.adjustments
        if are_shown(one)
    )


def _earlier(held: _Held) -> Iterator[str]:
    for one in held.claim.earlier:
        if one.role is held.decision.role and one.postings:
            other = held.session.get_one(Remittance, (held.remittance.practice_id, one.remittance_id))
            day = f" of {other.paid_on:%m/%d/%Y}" if other.paid_on else ""
            yield f"{format_cents(one.paid_cents)} in remittance {other.trace}{day}"


def _other_payments(held: _Held) -> Iterator[str]:
    paid = [cents for line in held.claim.lines for payer, cents in line.other_payments if payer is held.decision.role]
    return map(format_cents, paid)


def _line_charges(held: _Held) -> Iterator[str]:
    given: Counter[int] = Counter()
    for one in held.answer.lines:
        given[one.line or 0] += one.charge_cents
    for our in held.claim.lines:
        if our.number in given and given[our.number] != our.charge_cents:
            amounts = f"payer {format_cents(given[our.number])}, claim {format_cents(our.charge_cents)}"
            yield f"line {our.number}, {amounts}"


def _unmatched_lines(held: _Held) -> Iterator[str]:
    return (
        f"{one.code} {format_cents(one.charge_cents)}"
        for one in held.answer.lines
        if one.line is None and not one.is_empty
    )


def _negative_lines(held: _Held) -> Iterator[str]:
    return (f"{one.code} {format_cents(one.paid_cents)}" for one in held.answer.lines if one.paid_cents < 0)


def _below_zero(held: _Held) -> Iterator[str]:
    for one in find_overdrawn(held.decision.planned, held.claim):
        balance, lowered = format_cents(one.open_cents), format_cents(-one.change_cents)
        yield f"line {one.line}, {one.responsibility.value} balance {balance}, lowered by {lowered}"


_DETAILS: Final[dict[str, Callable[[_Held], Iterator[str]]]] = {
    "charge_differs": _charges,
    "service_date_differs": _days,
    "member_differs": _members,
    "closed_month": _payment_date,
    "future_date": _payment_date,
    "held_by_rule": _adjustments(lambda one: one.held_because == "held_by_rule"),
    "other_adjustment": _adjustments(lambda one: one.held_because == "other_adjustment"),
    "secondary_without_oa23": _adjustments(lambda one: one.action == RuleAction.POST),
    "answered_before": _earlier,
    "paid_before": _other_payments,
    "line_charge_differs": _line_charges,
    "line_unmatched": _unmatched_lines,
    "unsent_line_paid": _unmatched_lines,
    "negative_line": _negative_lines,
    "negative_patient_share": _adjustments(lambda one: one.group == _PATIENT and one.cents < 0),
    "below_zero": _below_zero,
}
