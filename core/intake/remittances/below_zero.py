"""Balances that postings would take below zero, counting what was written off, because it may be paid after all."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from core.enums.ledger import Responsibility
from core.intake.remittances.decision import NewPosting
from core.intake.remittances.our_claim import OurClaim


class Overdrawn(NamedTuple):
    """A balance of a line, and what the postings would add to it. Cents."""

    line: int
    responsibility: Responsibility
    open_cents: int
    change_cents: int


def find_overdrawn(postings: Iterable[NewPosting], claim: OurClaim) -> list[Overdrawn]:
    """Return the balances that would go below zero, in the order of the lines."""
    changes: Counter[tuple[int, Responsibility]] = Counter()
    for one in postings:
        changes[one.line, one.responsibility] += one.amount_cents
    balances = (
        Overdrawn(line.number, side, cents, changes[line.number, side])
        for line in claim.lines
        for side, cents in (
            (Responsibility.INSURANCE, line.insurance_open), (Responsibility.PATIENT, line.patient_open),
        )
    )  # fmt: skip
    return [one for one in balances if one.change_cents < 0 and one.open_cents + one.change_cents < 0]
