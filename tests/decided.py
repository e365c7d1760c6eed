"""A payer's answer meets a claim as it is loaded: what is decided, and what the user reads. No database."""

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from typing import Any

from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.intake.remittances.answers import Answer, of_paid_claim
from core.intake.remittances.compare import describe_details
from core.intake.remittances.decide import decide
from core.intake.remittances.decision import Context, Decision
from core.intake.remittances.our_claim import EarlierAnswer, EarlierPosting, OurClaim, OurLine
from core.intake.remittances.reasons import Why, explain
from core.models.remittances import Remittance
from core.reading import as_sentence
from core.x12.read import read
from core.x12.remittance import PaidClaim
from tests import x12_files
from tests.remittances import SERVICE_ON, clp, st, svc

INS, PAT = Responsibility.INSURANCE, Responsibility.PATIENT
CONTEXT = Context({})
PRIMARY, BOTH = (PaidBy.PRIMARY,), (PaidBy.PRIMARY, PaidBy.SECONDARY)


def our(*charges: int, payers: tuple[PaidBy, ...] = PRIMARY, open_cents: int | None = None, **more: Any) -> OurClaim:
    """Return a claim with a line for each charge in dollars, all owed by the insurance, or `open_cents` of each."""
    lines = [
        OurLine(number, "99213", dollars * 100, dollars * 100 if open_cents is None else open_cents, 0)
        for number, dollars in enumerate(charges, 1)
    ]
    given = {"is_in_job": False, "is_settled": False, "has_write_offs": False, "lines": lines, **more}
    return OurClaim(7, "A1", SERVICE_ON, payers, **given)


def read_one(segments: list[str], *, old: bool = False) -> Answer:
    text = x12_files.PLAIN.write(x12_files.interchange([st(segments, paid="0")]))
    if old:
        text = text.replace("005010X221A1", "004010X091A1")
    found = [event for event in read(io.BytesIO(text.encode()), "era.835") if isinstance(event, PaidClaim)]
    return of_paid_claim(1, found[0])


def decided(segments: list[str], claim: OurClaim | None, *, matched: Sequence[str] = (), old: bool = False,
            context: Context = CONTEXT) -> Decision:  # fmt: skip
    return decide(read_one(segments, old=old), claim, list(matched), context)


def moved(decision: Decision) -> list[tuple[int, Responsibility, PostingKind, int]]:
    return [one[:4] for one in decision.postings]


def told(segments: list[str], claim: OurClaim | None, **given: Any) -> tuple[Decision, list[str]]:
    """Return what is decided, and its reasons as the user reads them."""
    answer = read_one(segments)
    decision = decide(answer, claim, given.get("matched", []), given.get("context", CONTEXT))
    no_database: Any = None  # only the reasons about earlier answers read it
    details = describe_details(no_database, Remittance(paid_on=PAID_ON), answer, claim, decision)
    return decision, sentences(explain(decision.reasons, answer.faults, details))


def sentences(reasons: Iterable[Why]) -> list[str]:
    """Return each reason as `settle remittances` prints it: the places, what is wrong, and the cure."""
    return [
        " ".join([*(f"{place}:" for place in one.places), one.sentence, *([as_sentence(one.cure)] if one.cure else [])])
        for one in reasons
    ]


PAID_ON = dt.date(2026, 1, 5)
PAID = clp("A1", "100", "70", svc("100", "70", "CO*45*20", "PR*2*10"), patient="10", day="20260102")
LINE = svc("100", "80", "CO*45*20")
TAKEN = clp("A1", "-100", "-70", svc("-100", "-70", "CO*45*-20", "PR*2*-10"), status="22")


def answered(**more: Any) -> OurClaim:
    """Return a claim on which PAID was posted."""
    claim = our(100, **more)
    claim.lines[0].insurance_due, claim.lines[0].patient_due = 0, 1000
    posted = [
        EarlierPosting(11, 1, INS, PostingKind.PAYMENT, -7000, PaidBy.PRIMARY, False),
        EarlierPosting(12, 1, INS, PostingKind.ADJUSTMENT, -2000, None, False),
        EarlierPosting(13, 1, INS, PostingKind.TRANSFER, -1000, None, False),
        EarlierPosting(14, 1, PAT, PostingKind.TRANSFER, 1000, None, False),
    ]
    adjusted = {("CO", "45"): 2000, ("PR", "2"): 1000}
    claim.earlier = [EarlierAnswer(5, 3, PaidBy.PRIMARY, True, "ICN1", 10000, 7000, 4, adjusted, posted)]
    return claim
