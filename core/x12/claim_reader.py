"""Read the segments of an 837 into claims. A claim belongs to the last provider, subscriber and dependent before it."""

import datetime as dt
from contextlib import suppress
from typing import Any, Final

from core.money import format_cents
from core.x12.claims import Coverage, LinePayment, SentClaim, SentLine
from core.x12.delimiters import Delimiters
from core.x12.parties import Party, Reference, read_nm1
from core.x12.problems import UNREADABLE, Fault, Problem
from core.x12.transaction_reader import TransactionReader
from core.x12.values import DAYS, NotADate, period

_PROVIDER, _SUBSCRIBER, _DEPENDENT = "20", "22", "23"  # levels in HL03
_PAD: Final = [""] * 12


class ClaimReader(TransactionReader):
    """Reads one 837P or 837I."""

    ignored = (
        "CL1", "CN1", "CR1", "CR2", "CR3", "CR4", "CR5", "CR6", "CR7", "CR8", "CRC", "CTP", "CUR", "FRM",
        "HCP", "HI", "HSD", "K3", "LIN", "LQ", "MEA", "MIA", "MOA", "N2", "N3", "N4", "NTE", "OI", "PER", "PRV", "PS1",
        "PWK", "QTY", "SV4", "SV5", "SV6", "SV7", "TOO", "UR",
    )  # fmt: skip

    def __init__(self, file: str, delimiters: Delimiters, records: list[Any], *, is_old: bool) -> None:
        super().__init__(file, delimiters, records, is_old=is_old)
        self._written_on: dt.date | None = None
        self._provider: Party | None = None
        self._coverage: Coverage | None = None  # of the subscriber level
        self._patient: Party | None = None
        self._person: Party | None = None  # the last subscriber or dependent before a claim
        self._relationship = ""
        self._levels: dict[str, str] = {}  # the number of the last loop of each level
        self._level = ""
        self._loop_faults: list[Fault] = []  # of the loops above the next claim
        self._loop_has_claim = False
        self._claim: SentClaim | None = None
        self._line_number = ""
        self._at: SentClaim | Coverage | SentLine | LinePayment | None = None
        self._references: list[Reference] = []
        self.takes = {
            "BHT": self._take_beginning,
            "HL": self._take_loop, "SBR": self._take_coverage, "PAT": self._take_dependent, "NM1": self._take_party,
            "CLM": self._take_claim, "REF": self._take_reference, "DTP": self._take_period, "AMT": self._take_amount,
            "DMG": self._take_birth, "CAS": self._take_adjustments, "LX": self._take_line_number,
            "SV1": self._take_professional_line, "SV2": self._take_institutional_line, "SVD": self._take_line_payment,
        }  # fmt: skip

    def finish(self, _number: int) -> None:
        """End the last claim."""
        self._end_claim()
        self._end_loops()

    def _take_beginning(self, _: int, elements: list[str]) -> None:
        with suppress(IndexError, NotADate):
            self._written_on = DAYS[elements[4]]

    def _take_loop(self, number: int, elements: list[str]) -> None:
        self._end_claim()
        elements += _PAD
        own, parent, level = elements[1], elements[2], elements[3]
        if level in (_PROVIDER, _SUBSCRIBER):
            self._end_loops()
            self._coverage = None
        if level == _PROVIDER:
            self._provider = None
        self._patient, self._relationship, self._references, self._person = None, "", [], None
        self.claim_faults = self._loop_faults
        expected = {_PROVIDER: None, _SUBSCRIBER: _PROVIDER, _DEPENDENT: _SUBSCRIBER}
        if level not in expected:
            self.add(Problem.BROKEN_HIERARCHY, number, "HL03")
            return
        above = expected[level]
        if above is not None and self._levels.get(above) != parent:
            self.add(Problem.BROKEN_HIERARCHY, number, "HL02")
        self._level, self._levels[level] = level, own

    def _take_coverage(self, _number: int, elements: list[str]) -> None:
        elements += _PAD
        coverage = Coverage(elements[1], elements[2], elements[9])
        if self._claim is None:
            self._coverage = coverage
        else:
            self._claim.coverages.append(coverage)
            self._at = coverage
        self._references = coverage.references

    def _take_dependent(self, _number: int, elements: list[str]) -> None:
        if self._level == _DEPENDENT and len(elements) > 1:
            self._relationship = elements[1]

    def _take_party(self, _number: int, elements: list[str]) -> None:
        party = read_nm1(elements)
        self._references = party.references
        role, claim = party.role, self._claim
        self._person = party if claim is None and role in ("IL", "QC") else None
        if claim is not None and self._at is claim:
            claim.parties.setdefault(role, party)
        elif claim is None and role == "85":
            self._provider = party
        elif claim is None and role == "QC" and self._level == _DEPENDENT:
            self._patient = party
        elif role in ("IL", "PR"):
            coverage = self._coverage if claim is None else self._at
            if isinstance(coverage, Coverage):
                if role == "IL":
                    coverage.subscriber = coverage.subscriber or party
                else:
                    coverage.payer = coverage.payer or party

    def _take_birth(self, number: int, elements: list[str]) -> None:
        if self._person is None:
            return
        born_on = self.day(number, elements, 2)
        if born_on and self._written_on and born_on > self._written_on:
            self.add(Problem.FUTURE_BIRTH, number, "DMG02")
            born_on = None
        self._person.born_on = born_on

    def _take_claim(self, number: int, elements: list[str]) -> None:
        self._end_claim()
        elements += _PAD
        place, *rest = elements[5].split(self.component)
        claim = SentClaim(
            number, elements[1], 0, rest[1] if len(rest) > 1 else "", self._provider, self._patient,
            self._relationship, [self._coverage] if self._coverage else [], faults=[*self._loop_faults],
        )  # fmt: skip
        self._claim = self._at = claim
        self._loop_has_claim = True
        self._references, self.claim_faults, self.claim_begins = claim.references, claim.faults, number
        claim.charge_cents = self.cents(number, elements, 2)
        if not rest and place and not place.isalnum():
            self.add(Problem.WRONG_SEPARATOR, number, "CLM05")
        if not claim.claim_id.strip():
            self.add(Problem.PLACEHOLDER_ID, number, "CLM01")
        if self._provider is None or self._coverage is None:
            self.add(Problem.BROKEN_HIERARCHY, number, "CLM", "no billing provider or subscriber is before it")

    def _take_line_number(self, number: int, elements: list[str]) -> None:
        if self._claim is None:
            self.add(Problem.MISPLACED_SEGMENT, number, "LX")
        self._line_number = elements[1] if len(elements) > 1 else ""
        self._at = None

    def _take_professional_line(self, number: int, elements: list[str]) -> None:
        elements += _PAD
        self._add_line(number, elements, charge=2, code=1, units=4, revenue_code="")

    def _take_institutional_line(self, number: int, elements: list[str]) -> None:
        elements += _PAD
        self._add_line(number, elements, charge=3, code=2, units=5, revenue_code=elements[1])

    def _add_line(
        self, number: int, elements: list[str], *, charge: int, code: int, units: int, revenue_code: str
    ) -> None:
        claim = self._claim
        if claim is None:
            self.add(Problem.MISPLACED_SEGMENT, number, elements[0])
            return
        text = elements[code]
        line = SentLine(
            number, self._line_number, tuple(text.split(self.component)) if text else (), revenue_code,
            self.cents(number, elements, charge), elements[units],
        )  # fmt: skip
        if len(line.code) == 1 and not text.isalnum():
            self.add(Problem.WRONG_SEPARATOR, number, f"{elements[0]}{code:02}")
        if line.charge_cents < 0:
            self.add(Problem.NEGATIVE_CHARGE, number, f"{elements[0]}{charge:02}")
        claim.lines.append(line)
        self._line_number = ""
        self._at, self._references = line, line.references

    def _take_line_payment(self, number: int, elements: list[str]) -> None:
        line = self._claim.lines[-1] if self._claim and self._claim.lines else None
        if line is None:
            self.add(Problem.MISPLACED_SEGMENT, number, "SVD")
            return
        payment = LinePayment([*elements, ""][1], self.cents(number, elements, 2))
        line.payments.append(payment)
        self._at, self._references = payment, payment.references

    def _take_adjustments(self, number: int, elements: list[str]) -> None:
        if self._at is None:
            self.add(Problem.MISPLACED_SEGMENT, number, "CAS")
            return
        self._at.adjustments += self.adjustments(number, elements)

    def _take_reference(self, _number: int, elements: list[str]) -> None:
        elements += _PAD
        self._references.append((elements[1], elements[2]))

    def _take_period(self, number: int, elements: list[str]) -> None:
        if self._at is None:
            return
        elements += _PAD
        try:
            self._at.dates[elements[1]] = period(elements[2], elements[3])
        except NotADate:
            self.add(Problem.BAD_DATE, number, "DTP03")

    def _take_amount(self, number: int, elements: list[str]) -> None:
        if self._at is not None:
            self._at.amounts[elements[1] if len(elements) > 1 else ""] = self.cents(number, elements, 2)

    def _end_loops(self) -> None:
        """Begin another provider or subscriber. Faults that no claim shows are the transaction's."""
        if not self._loop_has_claim:
            self.faults += self._loop_faults
        self._loop_faults, self._loop_has_claim = [], False

    def _end_claim(self) -> None:
        """Check and release the claim before this segment."""
        claim = self._claim
        if claim is None:
            return
        charges = sum(line.charge_cents for line in claim.lines)
        if claim.charge_cents < 0:
            self.add(Problem.NEGATIVE_CHARGE, claim.segment, "CLM02")
        if not claim.lines:
            self.add(Problem.NO_LINES, claim.segment, "CLM")
        elif charges != claim.charge_cents and not any(fault.problem in UNREADABLE for fault in claim.faults):
            self.add(
                Problem.LINES_DIFFER,
                claim.segment,
                "CLM02",
                f"claim {format_cents(claim.charge_cents)}, lines {format_cents(charges)}",
            )
        self.records.append(claim)
        self._claim = self._at = self.claim_begins = None
        self.claim_faults, self._references = self._loop_faults, []
