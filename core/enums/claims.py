"""Statuses, types and holds of claims."""

from enum import StrEnum
from typing import Final

SETTLED: Final = "Settled"
PAID_IN_FULL: Final = "Paid In Full"
NOT_SUBMITTED: Final = "Not Submitted"
# What practices call it, in lower case. An import reads these words as `NOT_SUBMITTED`.
NOT_SUBMITTED_WORDS: Final = ("not submitted", "unbilled", "new", "draft", "not billed", "ready to bill")
BALANCE_DUE: Final = "Balance Due"
BILLING_STATUSES: Final = (
    NOT_SUBMITTED,
    "Bill Insurance",
    "Bill Secondary Insurance",
    BALANCE_DUE,
    "Internal Review",
    PAID_IN_FULL,
    SETTLED,
    "Auto Accident Claim",
    "Worker's Comp Claim",
    "Durable Medical Equipment Claim",
)


class ClaimStatus(StrEnum):
    """The payer's status of a claim, separate for Ins 1 and Ins 2."""

    NONE = "none"
    AT_CLEARINGHOUSE = "In Process at Clearinghouse"
    AT_PAYER = "In Process at Payer"
    ACKNOWLEDGED = "Payer Acknowledged"
    COORDINATION_OF_BENEFITS = "Coordination of Benefits"
    REJECTED = "Rejected"
    ERA_RECEIVED = "ERA Received"
    ERA_DENIED = "ERA Denied"


class AgeBasis(StrEnum):
    """The date that a claim's age counts from."""

    SERVICE = "service"  # date of service
    FIRST_BILL = "first_bill"  # first EDI date; the date of service if there is none


class ClaimType(StrEnum):
    """The form that the claim is billed on."""

    PROFESSIONAL = "Professional"
    INSTITUTIONAL = "Institutional"


class Hold(StrEnum):
    """Why the claim must not be settled for now."""

    HOLD = "hold"
    LEGAL = "legal_hold"
    APPEAL = "appeal_open"
    PAYMENT_PLAN = "payment_plan"
    EXCLUDED = "excluded"  # the patient or a payer of the claim is excluded from write-offs


class AgeBucket(StrEnum):
    """The age buckets by key, the youngest first."""

    DAYS_0_30 = "0-30"
    DAYS_31_60 = "31-60"
    DAYS_61_90 = "61-90"
    DAYS_91_120 = "91-120"
    OVER_120 = "over-120"
