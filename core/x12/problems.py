"""Everything that can be wrong in an X12 file: how far it reaches, what is wrong, and the fix.

A fault names a file, a segment and an element. It never repeats a value, because a value may name a patient.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum, unique
from http import HTTPStatus
from typing import Final

from core.errors import Refusal

_RESEND: Final = "ask the sender for the whole file again"
_ASK: Final = "ask the sender to correct it"
_ONE_NUMBER: Final = "give each claim its own number, or import only the file with the right claim"
_BANK: Final = "compare it with the bank deposit"
_CORRECTED: Final = "ask the payer for a corrected remittance, or post it by hand"


class Reach(IntEnum):
    """What a fault affects, least first."""

    WARNING = 1  # nothing is held
    CLAIM = 2  # a person must look at the claim
    TRANSACTION = 3  # a person must look at the transaction: no claim of it may be posted without that
    REFUSED = 4  # the transaction cannot be trusted; the others can
    FILE = 5  # nothing in the file can be trusted

    @property
    def words(self) -> str:
        """Return the consequence in words."""
        return _REACH_WORDS[self]


_REACH_WORDS: Final = {
    Reach.WARNING: "warning",
    Reach.CLAIM: "claim held",
    Reach.TRANSACTION: "transaction held",
    Reach.REFUSED: "transaction refused",
    Reach.FILE: "file refused",
}


@unique
class Problem(Enum):
    """What is wrong. The value is its reach, the sentence and the fix."""

    NO_ISA = Reach.FILE, "no ISA segment is in the first 64 KB", "send an X12 file that begins with ISA"
    BAD_ISA = Reach.FILE, "the ISA segment does not have 16 elements and a segment terminator", _RESEND
    BAD_DELIMITERS = (
        Reach.FILE,
        "the ISA segment does not declare different punctuation characters as delimiters",
        _RESEND,
    )
    NUL_BYTE = Reach.FILE, "the file contains a NUL byte", "save the file as plain text, or " + _RESEND
    LONG_SEGMENT = Reach.FILE, "a segment is longer than 64 KB, so its terminator is missing", _RESEND
    LARGE_FILE = Reach.FILE, "the file is larger than 1 GB", "split the file by interchange"
    NOTHING_TO_READ = Reach.FILE, "the file contains no 835, 837P, 837I or 277CA", "send a remittance or a claim file"

    TRUNCATED = Reach.REFUSED, "the transaction ends without its SE segment", _RESEND
    SEGMENT_COUNT = Reach.REFUSED, "the count differs from the number of segments", _RESEND
    SEGMENT_CONTROL = Reach.REFUSED, "the control number differs from ST02", _RESEND
    NO_PAYMENT = Reach.REFUSED, "the remittance has no BPR segment", _RESEND
    NO_TRACE = Reach.REFUSED, "the remittance has no TRN segment with a trace number", _RESEND
    BAD_TOTAL = Reach.REFUSED, "the payment total is not an amount in dollars and cents", _ASK
    LARGE_CLAIM = Reach.REFUSED, "a claim has more than 10,000 segments", "split the claim"

    OUT_OF_BALANCE = Reach.TRANSACTION, "the payment differs from the claims less the provider adjustments", _BANK
    NEGATIVE_PAYMENT = Reach.TRANSACTION, "the payment total is below zero", _ASK
    NOT_PAID = Reach.TRANSACTION, "the remittance is for information only, but has a payment total", _ASK
    TEST_FILE = Reach.TRANSACTION, "the file is marked as a test", "send the production file"
    FOREIGN_CURRENCY = Reach.TRANSACTION, "the amounts are not in US dollars", "post it by hand in US dollars"
    UNKNOWN_VERSION = Reach.TRANSACTION, "the version is neither 5010 nor 4010", "ask the sender for version 5010"
    BAD_PROVIDER_AMOUNT = Reach.TRANSACTION, "the provider adjustment is not an amount in dollars and cents", _ASK
    MANY_PROVIDER_AMOUNTS = Reach.TRANSACTION, "the segment has more than six provider adjustments", _ASK
    UNKNOWN_SEGMENT = Reach.TRANSACTION, "the segment does not belong in this transaction", _ASK
    MISPLACED_SEGMENT = Reach.TRANSACTION, "the segment is in the wrong place", _ASK
    TEXT_OUTSIDE = Reach.TRANSACTION, "text is outside an interchange, and was not read", _RESEND
    STRAY_SEGMENT = Reach.TRANSACTION, "the segment is outside a transaction, and was not read", _RESEND
    GROUP_COUNT = Reach.TRANSACTION, "the count differs from the number of transactions", _RESEND
    GROUP_CONTROL = Reach.TRANSACTION, "the control number differs from GS06", _RESEND
    INTERCHANGE_COUNT = Reach.TRANSACTION, "the count differs from the number of functional groups", _RESEND
    INTERCHANGE_CONTROL = Reach.TRANSACTION, "the control number differs from ISA13", _RESEND

    BAD_AMOUNT = (
        Reach.CLAIM,
        "the value is not an amount in dollars and cents, such as 1234.56 or -5.00",
        _ASK,
    )
    MISSING_AMOUNT = Reach.CLAIM, "the amount is missing", _ASK
    LINE_OUT_OF_BALANCE = Reach.CLAIM, "the line's charge less its adjustments differs from its payment", _CORRECTED
    CLAIM_OUT_OF_BALANCE = Reach.CLAIM, "the claim's charge less its adjustments differs from its payment", _CORRECTED
    LINES_DIFFER = Reach.CLAIM, "the claim's charge differs from the sum of its lines", _ASK
    NO_LINES = Reach.CLAIM, "the claim has no service line", _ASK
    MANY_LINES = Reach.CLAIM, "the claim has more than 999 service lines", "split the claim"
    NO_SERVICE_DATE = Reach.CLAIM, "the claim has no date of service", _ASK
    BAD_ID = Reach.CLAIM, "an ID is missing, longer than 100 characters, or contains a hidden character", _ASK
    NEGATIVE_CHARGE = Reach.CLAIM, "a charge is below zero; a correction replaces or voids the claim", _ASK
    MANY_ADJUSTMENTS = Reach.CLAIM, "the segment has more than six adjustments", _ASK
    NO_REASON = Reach.CLAIM, "an adjustment has no reason code", _ASK
    UNKNOWN_GROUP = Reach.CLAIM, "the adjustment group is not CO, OA, PI or PR", _CORRECTED
    OLD_GROUP = Reach.CLAIM, "the adjustment group CR is not part of version 5010", _CORRECTED
    PLACEHOLDER_ID = Reach.CLAIM, "the claim number is a placeholder", "match it to its patient's claim"
    UNKNOWN_ORIGINAL = (
        Reach.CLAIM,
        "the claim replaces or voids a claim that is found neither by this number nor by the payer's number (REF*F8)",
        "import the original claim and its remittance together with this file",
    )
    REUSED_NUMBER = (
        Reach.CLAIM,
        "the claim number belongs to a claim with another date of service",
        "give the new claim its own number, or send a corrected claim as a replacement",
    )
    TWO_VISITS = Reach.CLAIM, "two dates of service in these files have this claim number", _ONE_NUMBER
    TWO_PATIENTS = Reach.CLAIM, "two patients in these files have this claim number", _ONE_NUMBER
    NO_STATUS = Reach.CLAIM, "the claim has no status", _ASK
    BROKEN_HIERARCHY = Reach.CLAIM, "the loop does not belong to the loop before it", _ASK

    PATIENT_SHARE = Reach.WARNING, "the patient responsibility differs from the PR adjustments", "no fix is needed"
    UNUSUAL_AMOUNT = (
        Reach.WARNING,
        "the amount has extra zeros, a point without decimals, or a minus sign before zero",
        "no fix is needed",
    )
    BAD_DATE = Reach.WARNING, "the value is not a date, and was not read", _ASK
    FUTURE_BIRTH = Reach.WARNING, "the date of birth is after the date of the transaction, and was not read", _ASK
    WRONG_SEPARATOR = Reach.WARNING, "the element has no component separator as ISA16 declares it", _ASK
    OLD_VERSION = Reach.WARNING, "the transaction has the old version 4010", "ask the sender for version 5010"
    OTHER_TRANSACTION = Reach.WARNING, "the transaction is of a different type, and was not read", "no fix is needed"
    NO_GROUP_END = Reach.WARNING, "the functional group ends without its GE segment", _RESEND
    NO_INTERCHANGE_END = Reach.WARNING, "the interchange ends without its IEA segment", _RESEND
    UNFINISHED_SEGMENT = Reach.WARNING, "the file ends without a segment terminator", _RESEND
    TEXT_BEFORE = Reach.WARNING, "text is before the first ISA segment", "no fix is needed"

    @property
    def reach(self) -> Reach:
        """Return what the fault affects."""
        return self.value[0]

    @property
    def wrong(self) -> str:
        """Return what is wrong."""
        return self.value[1]

    @property
    def cure(self) -> str:
        """Return the fix."""
        return self.value[2]


UNREADABLE: Final = (Problem.BAD_AMOUNT, Problem.MISSING_AMOUNT)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at one place. `segment` counts all segments of the file from 1, `byte` all bytes."""

    problem: Problem
    file: str
    segment: int | None = None
    element: str = ""  # such as CLP03, or a segment id alone
    byte: int | None = None
    detail: str = ""  # counts, amounts or another place in words, never an id or a name
    claim: str = field(default="", repr=False)  # the claim number, for users of the practice; no printed form has it

    def __str__(self) -> str:
        """Return one line, such as `era.835, segment 17, CLP03: what is wrong; the fix`."""
        places = [self.file]
        if self.segment is not None:
            places.append(f"segment {self.segment:,}")
        if self.byte is not None:
            places.append(f"byte {self.byte:,}")
        if self.element:
            places.append(self.element)
        detail = f" ({self.detail})" if self.detail else ""
        return f"{', '.join(places)}: {self.problem.wrong}{detail}; {self.problem.cure}"


class FileRefused(Refusal):
    """The file cannot be read."""

    code = "x12_file_refused"
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(f"{fault}.")
