"""A claim of the practice as an answer meets it: its lines with their balances, and the earlier answers."""

import datetime as dt
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from core.enums.ledger import PaidBy, PostingKind, Responsibility


@dataclass(slots=True)
class OurLine:
    """A service line. Balances are positive cents. What was written off may be paid after all."""

    number: int
    code: str
    charge_cents: int
    insurance_due: int
    patient_due: int
    insurance_written_off: int = 0
    patient_written_off: int = 0
    control_number: str = ""  # that the practice sent
    modifiers: tuple[str, ...] | None = None  # None: unknown
    service_on: dt.date | None = None  # None: unknown
    other_payments: list[tuple[PaidBy, int]] = field(default_factory=list)  # not from remittances; below zero: reversed

    @property
    def insurance_open(self) -> int:
        """Return what the insurance could still pay."""
        return self.insurance_due + self.insurance_written_off

    @property
    def patient_open(self) -> int:
        """Return what the patient could still pay."""
        return self.patient_due + self.patient_written_off


class EarlierPosting(NamedTuple):
    """A posting of an earlier answer."""

    id: int
    line: int
    responsibility: Responsibility
    kind: PostingKind
    amount_cents: int
    paid_by: PaidBy | None
    is_reversed: bool


@dataclass(slots=True)
class EarlierAnswer:
    """A posted answer on the claim that no answer has reversed."""

    remittance_id: int
    ordinal: int
    role: PaidBy | None
    is_of_this_payer: bool
    payer_claim_id: str
    charge_cents: int
    paid_cents: int
    postings: int
    adjusted: dict[tuple[str, str], int] = field(default_factory=dict)  # cents by group and reason
    posted: list[EarlierPosting] = field(default_factory=list)


@dataclass(slots=True)
class OurClaim:
    """A claim."""

    id: int
    external_id: str
    service_on: dt.date
    payers: tuple[PaidBy, ...]  # the insurances that it has
    is_in_job: bool
    is_settled: bool
    has_write_offs: bool  # also reversed ones
    lines: list[OurLine]
    members: frozenset[str] = frozenset()  # member ids that it was sent with; none: unknown
    earlier: list[EarlierAnswer] = field(default_factory=list)

    @property
    def charge_cents(self) -> int:
        """Return the sum of its charges."""
        return sum(line.charge_cents for line in self.lines)

    def has_payment_like(self, role: PaidBy | None, amounts: Collection[int]) -> bool:
        """Return whether a payment of one of these amounts came from elsewhere: in one posting or as the sum of all."""
        paid: Counter[int] = Counter()
        for payer, cents in (one for line in self.lines for one in line.other_payments):
            if payer is role:
                paid[abs(cents)] += 1 if cents > 0 else -1
        found = [cents for cents, times in paid.items() if times > 0]
        return any(cents in amounts for cents in (*found, sum(cents * times for cents, times in paid.items())) if cents)
