"""The Balance Writeoff setting, classes of payers, and states of months."""

from enum import StrEnum
from typing import Final


class WriteOffSetting(StrEnum):
    """Balance Writeoff: whose balance is written off when a claim moves to Settled."""

    PATIENT = "patient"
    INSURANCE = "insurance"
    BOTH = "both"
    NEITHER = "neither"


class PayerClass(StrEnum):
    """The class of a payer. The rules use it."""

    COMMERCIAL = "commercial"
    MEDICARE = "medicare"
    MEDICAID = "medicaid"
    DUAL = "dual"
    TRICARE = "tricare"
    WORKERS_COMP = "workers_comp"
    AUTO = "auto"
    SELF_PAY = "self_pay"
    OTHER = "other"


SELF_PAY: Final = "Self-pay"  # also shown for a claim without a payer
PAYER_CLASS_NAMES: Final = {
    PayerClass.COMMERCIAL: "Commercial",
    PayerClass.MEDICARE: "Medicare",
    PayerClass.MEDICAID: "Medicaid",
    PayerClass.DUAL: "Medicare and Medicaid",
    PayerClass.TRICARE: "TRICARE",
    PayerClass.WORKERS_COMP: "Workers' compensation",
    PayerClass.AUTO: "Auto",
    PayerClass.SELF_PAY: SELF_PAY,
    PayerClass.OTHER: "Other",
}


class PeriodState(StrEnum):
    """Whether a month accepts postings."""

    OPEN = "open"
    CLOSED = "closed"
