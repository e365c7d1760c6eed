"""Read the segments of an 835 into a payment, claims and provider adjustments."""

from typing import Any, Final

from core.x12 import balance
from core.x12.adjustments import PATIENT_GROUP
from core.x12.delimiters import Delimiters
from core.x12.parties import Reference, read_n1, read_nm1
from core.x12.problems import Problem
from core.x12.remittance import PaidClaim, PaidLine, Payment, ProviderAdjustment
from core.x12.transaction_reader import TransactionReader

_PLB_ELEMENTS_MAX: Final = 15  # the id, provider, date and six pairs
_PAD: Final = [""] * 16
_US_DOLLARS: Final = "USD"
_INFORMATION_ONLY: Final = "H"


class RemittanceReader(TransactionReader):
    """Reads one 835."""

    ignored = ("N2", "N3", "N4", "NTE", "PER", "QTY", "RDM", "TS2", "TS3")

    def __init__(self, file: str, delimiters: Delimiters, records: list[Any], *, is_old: bool) -> None:
        super().__init__(file, delimiters, records, is_old=is_old)
        self.payment = Payment()
        self._payment_is_out = False
        self._claim: PaidClaim | None = None
        self._at: Payment | PaidClaim | PaidLine = self.payment  # what dates, amounts and adjustments belong to
        self._references: list[Reference] = self.payment.references
        self._claims_cents = self._provider_cents = 0
        self.takes = {
            "BPR": self._take_payment, "TRN": self._take_trace, "CUR": self._take_currency, "N1": self._take_party,
            "LX": self._take_group, "CLP": self._take_claim, "CAS": self._take_adjustments, "NM1": self._take_person,
            "REF": self._take_reference, "DTM": self._take_date, "AMT": self._take_amount, "SVC": self._take_line,
            "LQ": self._take_remark, "MIA": self._take_remarks_of_stay, "MOA": self._take_remarks_of_visit,
            "PLB": self._take_provider_adjustments,
        }  # fmt: skip

    def finish(self, number: int) -> None:
        """Check that the payment is complete and equals its claims less the provider adjustments."""
        self._end_claim()
        payment = self.payment
        if not payment.segment:
            self.add(Problem.NO_PAYMENT, number, "SE")
        elif payment.paid_cents < 0:
            self.add(Problem.NEGATIVE_PAYMENT, payment.segment, "BPR02")
        elif payment.paid_cents and payment.handling == _INFORMATION_ONLY:
            self.add(Problem.NOT_PAID, payment.segment, "BPR01")
        if not payment.trace:
            self.add(Problem.NO_TRACE, number, "SE")
        if not any(fault.problem in (Problem.BAD_TOTAL, Problem.NO_PAYMENT) for fault in self.faults):
            balance.check_payment(
                self, payment.segment, total=payment.paid_cents, claims=self._claims_cents,
                provider=self._provider_cents,
            )  # fmt: skip

    def _take_payment(self, number: int, elements: list[str]) -> None:
        payment = self.payment
        if payment.segment or self._payment_is_out:
            self.add(Problem.MISPLACED_SEGMENT, number, "BPR")
            return
        elements += _PAD
        payment.segment, payment.handling, payment.method = number, elements[1], elements[4]
        payment.paid_on = self.day(number, elements, 16)
        payment.paid_cents = self.cents_or(Problem.BAD_TOTAL, number, elements, 2)

    def _take_trace(self, number: int, elements: list[str]) -> None:
        if self.payment.trace or self._payment_is_out:
            self.add(Problem.MISPLACED_SEGMENT, number, "TRN")
            return
        self.payment.trace, self.payment.payer_tax_id = [*elements, "", "", ""][2:4]

    def _take_currency(self, number: int, elements: list[str]) -> None:
        if [*elements, "", ""][2] not in ("", _US_DOLLARS):
            self.add(Problem.FOREIGN_CURRENCY, number, "CUR02")

    def _take_party(self, number: int, elements: list[str]) -> None:
        party = read_n1(elements)
        if party.role == "PR" and self.payment.payer is None:
            self.payment.payer = party
        elif party.role == "PE" and self.payment.payee is None:
            self.payment.payee = party
        else:
            self.add(Problem.MISPLACED_SEGMENT, number, "N1")
        self._references = party.references

    def _take_group(self, _number: int, _elements: list[str]) -> None:
        self._end_claim()

    def _take_claim(self, number: int, elements: list[str]) -> None:
        self._end_claim()
        elements += _PAD
        claim = PaidClaim(number, elements[1], elements[2], 0, 0, 0, elements[6], elements[7], elements[9])
        self._claim = self._at = claim
        self._references, self.claim_faults, self.claim_begins = claim.references, claim.faults, number
        claim.charge_cents = self.cents(number, elements, 3)
        claim.paid_cents = self.cents(number, elements, 4)
        claim.patient_cents = self.cents(number, elements, 5, needed=False)
        if not claim.claim_id.strip("0 ") or not claim.claim_id.strip("9"):
            self.add(Problem.PLACEHOLDER_ID, number, "CLP01")
        if not claim.status:
            self.add(Problem.NO_STATUS, number, "CLP02")

    def _take_line(self, number: int, elements: list[str]) -> None:
        claim = self._claim
        if claim is None:
            self.add(Problem.MISPLACED_SEGMENT, number, "SVC")
            return
        elements += _PAD
        code, billed = elements[1], elements[6]
        line = PaidLine(
            number, tuple(code.split(self.component)), self.cents(number, elements, 2),
            self.cents(number, elements, 3), elements[4], elements[5],
            tuple(billed.split(self.component)) if billed else (), elements[7],
        )  # fmt: skip
        if len(line.code) == 1 and not code.isalnum():
            self.add(Problem.WRONG_SEPARATOR, number, "SVC01")
        claim.lines.append(line)
        self._at, self._references = line, line.references

    def _take_adjustments(self, number: int, elements: list[str]) -> None:
        at, claim = self._at, self._claim
        if claim is None or isinstance(at, Payment):
            self.add(Problem.MISPLACED_SEGMENT, number, "CAS")
            return
        found = self.adjustments(number, elements)
        at.adjustments += found
        for one in found:
            at.adjusted_cents += one.cents
            if one.group == PATIENT_GROUP:
                claim.patient_adjusted_cents += one.cents

    def _take_person(self, number: int, elements: list[str]) -> None:
        if self._claim is None:
            self.add(Problem.MISPLACED_SEGMENT, number, "NM1")
            return
        party = read_nm1(elements)
        self._claim.parties.setdefault(party.role, party)

    def _take_reference(self, _number: int, elements: list[str]) -> None:
        elements += _PAD
        self._references.append((elements[1], elements[2]))

    def _take_date(self, number: int, elements: list[str]) -> None:
        day = self.day(number, elements, 2)
        if day is not None:
            self._at.dates[elements[1]] = day

    def _take_amount(self, number: int, elements: list[str]) -> None:
        self._at.amounts[elements[1] if len(elements) > 1 else ""] = self.cents(number, elements, 2)

    def _take_remark(self, _number: int, elements: list[str]) -> None:
        self._add_remarks([*elements, "", ""][2:3])

    def _take_remarks_of_stay(self, _number: int, elements: list[str]) -> None:
        self._add_remarks([*elements[5:6], *elements[20:24]])

    def _take_remarks_of_visit(self, _number: int, elements: list[str]) -> None:
        self._add_remarks(elements[3:8])

    def _add_remarks(self, codes: list[str]) -> None:
        if not isinstance(self._at, Payment):
            self._at.remarks += filter(None, codes)

    def _take_provider_adjustments(self, number: int, elements: list[str]) -> None:
        self._end_claim()
        if len(elements) > _PLB_ELEMENTS_MAX:
            self.add(Problem.MANY_PROVIDER_AMOUNTS, number, "PLB")
        self.day(number, elements, 2)  # the end of the fiscal year, only checked
        for place in range(3, len(elements), 2):
            if not any(elements[place : place + 2]):
                continue
            reason, _, reference = elements[place].partition(self.component)
            cents = self.cents_or(Problem.BAD_PROVIDER_AMOUNT, number, elements, place + 1)
            self._provider_cents += cents
            self.records.append(ProviderAdjustment(number, elements[1], reason, reference, cents))

    def _end_claim(self) -> None:
        """Release the payment or the claim before this segment."""
        if not self._payment_is_out:
            self._payment_is_out = True
            self.records.append(self.payment)
        if self._claim is not None:
            balance.check_claim(self, self._claim)
            self._claims_cents += self._claim.paid_cents
            self.records.append(self._claim)
            self._claim = self.claim_begins = None
            self.claim_faults, self._at, self._references = self.faults, self.payment, []
