"""The records of an 835: a payment, its claims with their lines, and the provider adjustments.

Amounts are cents. A positive adjustment lowers the payment, and a negative one raises it.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from core.x12.adjustments import Adjustment
from core.x12.parties import Party, Reference
from core.x12.problems import UNREADABLE, Fault

REVERSAL: Final = "22"


@dataclass(slots=True)
class Payment:
    """The head of a remittance: how much, how, when, from which payer, to which payee."""

    segment: int = 0
    handling: str = ""  # BPR01; H is information only
    paid_cents: int = 0
    method: str = ""  # BPR04, such as ACH, CHK or NON
    paid_on: dt.date | None = None  # BPR16
    trace: str = ""  # TRN02, the check or transfer number
    payer_tax_id: str = ""  # TRN03
    payer: Party | None = None
    payee: Party | None = None
    references: list[Reference] = field(default_factory=list)
    dates: dict[str, dt.date] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class PaidLine:
    """An SVC segment. `code` is what was adjudicated, `submitted_code` what was billed if it differs."""

    segment: int
    code: tuple[str, ...]  # qualifier, code and modifiers
    charge_cents: int
    paid_cents: int
    revenue_code: str
    units: str
    submitted_code: tuple[str, ...]
    submitted_units: str
    adjusted_cents: int = 0
    adjustments: list[Adjustment] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    dates: dict[str, dt.date] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def control_number(self) -> str:
        """Return the line number that the claim gave (REF*6R), or nothing."""
        return next((value for kind, value in self.references if kind == "6R"), "")


@dataclass(slots=True)
class PaidClaim:
    """A CLP segment and everything after it that belongs to the claim."""

    segment: int
    claim_id: str  # our claim number, as the payer returns it
    status: str
    charge_cents: int
    paid_cents: int
    patient_cents: int  # information only; not part of any balance
    filing: str
    payer_claim_id: str
    frequency: str
    adjusted_cents: int = 0  # claim level only
    patient_adjusted_cents: int = 0  # group PR, of the claim and its lines
    adjustments: list[Adjustment] = field(default_factory=list)
    lines: list[PaidLine] = field(default_factory=list)
    parties: dict[str, Party] = field(default_factory=dict)  # by role: QC patient, IL insured, 82 rendering, TT next
    references: list[Reference] = field(default_factory=list)
    dates: dict[str, dt.date] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def unreadable(self) -> list[Fault]:
        """Return the faults of amounts that cannot be read. They count as 0."""
        return [fault for fault in self.faults if fault.problem in UNREADABLE] if self.faults else []

    @property
    def all_adjusted_cents(self) -> int:
        """Return the sum of all adjustments, of the claim and its lines."""
        return self.adjusted_cents + sum(line.adjusted_cents for line in self.lines)

    @property
    def is_reversal(self) -> bool:
        """Return whether the payer reverses an earlier claim."""
        return self.status == REVERSAL


@dataclass(slots=True)
class ProviderAdjustment:
    """One pair of a PLB segment: money between payer and provider, not of one claim. Positive lowers the payment."""

    segment: int
    provider_id: str
    reason: str
    reference: str
    cents: int
