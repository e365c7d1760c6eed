"""What a posting is: its kind, responsibility, payer and codes, and the built-in write-off reasons."""

from enum import StrEnum
from typing import Final


class Responsibility(StrEnum):
    """Who owes: the insurance or the patient."""

    INSURANCE = "insurance"
    PATIENT = "patient"


class PostingKind(StrEnum):
    """The kind of a ledger entry."""

    CHARGE = "charge"
    PAYMENT = "payment"
    ADJUSTMENT = "adjustment"
    TRANSFER = "transfer"
    WRITE_OFF = "write_off"
    REVERSAL = "reversal"


class PaidBy(StrEnum):
    """Who paid. A copay is the patient's money toward the insurance balance."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    PATIENT = "patient"


class GroupCode(StrEnum):
    """CAS group code of an adjustment (X12 835)."""

    CONTRACTUAL = "CO"
    PATIENT_RESPONSIBILITY = "PR"
    OTHER = "OA"
    PAYER_INITIATED = "PI"


class WriteOffReason(StrEnum):
    """The built-in kinds of write-off reasons. Rules refer to them. A reason is never sent as a CARC."""

    SMALL_BALANCE = "small_balance"
    BAD_DEBT = "bad_debt"
    TIMELY_FILING = "timely_filing"
    CHARITY = "charity"
    COURTESY = "courtesy"
    ADMINISTRATIVE = "administrative"


REASON_NAMES: Final = {
    WriteOffReason.SMALL_BALANCE: "Small balance",
    WriteOffReason.BAD_DEBT: "Bad debt",
    WriteOffReason.TIMELY_FILING: "Timely filing",
    WriteOffReason.CHARITY: "Charity",
    WriteOffReason.COURTESY: "Courtesy",
    WriteOffReason.ADMINISTRATIVE: "Administrative",
}
