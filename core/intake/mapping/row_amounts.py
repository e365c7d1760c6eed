"""Turn the amounts in one row into postings that leave exactly the balances in the file.

A charge is posted with the row's payments and adjustments. A transfer moves the patient's portion. Without a charge
(balances only), each balance is posted as a charge, or as a payment if it is a credit.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from core.enums.ledger import Responsibility
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.targets import ADJUSTMENT_FIELDS, PAYMENT_FIELDS, Field
from core.money import format_plain_amount

INSURANCE = Responsibility.INSURANCE.value
PATIENT = Responsibility.PATIENT.value
Read = Callable[[Field], Any]


class Amounts(NamedTuple):
    """Amounts to post on one line, in cents. Above zero raises the balance."""

    base: str  # responsibility for the charge, the adjustments and the insurance payments
    insurance_charge: int = 0
    patient_charge: int = 0
    primary_paid: int = 0
    secondary_paid: int = 0
    patient_paid: int = 0  # on the patient's balance
    adjusted: int = 0
    difference: int = 0  # an adjustment for what the file does not explain
    to_patient: int = 0  # moved from insurance to the patient


class Untied(Exception):
    """The amounts of a row contradict each other. `field` is the one to report, and the text is the fix.

    The amounts are in the note, because equal fixes are one fault.
    """

    def __init__(self, field: Field, cure: str, note: str | None = None) -> None:
        self.field = field
        self.note = note
        super().__init__(cure)


def row_amounts(read: Read, mapping: Mapping, *, has_payer: bool) -> Amounts:
    """Return the postings for a row. `read` returns the row's values. Raise `Untied`."""
    charge = read(Field.CHARGE)
    if charge is not None and charge < 0:
        raise Untied(Field.CHARGE, "a charge must not be negative; remove this row and the charge that it cancels")
    primary, secondary, patient = (_lowering(read(one), below=mapping.payments_below_zero) for one in PAYMENT_FIELDS)
    adjusted = sum(_lowering(read(one), below=mapping.adjustments_below_zero) for one in ADJUSTMENT_FIELDS)
    explained = (charge or 0) + primary + secondary + patient + adjusted
    insurance_due, patient_due = _balances(read, explained)
    if not mapping.has(Field.CHARGE):
        return _balances_only(insurance_due, patient_due)
    base = INSURANCE if has_payer or insurance_due else PATIENT
    difference = insurance_due + patient_due - explained
    if difference and mapping.has(*PAYMENT_FIELDS, *ADJUSTMENT_FIELDS) and not mapping.post_difference:
        raise Untied(
            Field.CHARGE,
            "charge less payments and adjustments is not the sum of the balances; map the missing column, or check "
            '"Post an adjustment for any amount that the columns do not explain" (post_difference in a mapping file)',
            f"the columns add up to {format_plain_amount(explained)}, the balances to "
            f"{format_plain_amount(insurance_due + patient_due)}",
        )
    return Amounts(
        base,
        insurance_charge=(charge or 0) if base == INSURANCE else 0,
        patient_charge=(charge or 0) if base == PATIENT else 0,
        primary_paid=primary,
        secondary_paid=secondary,
        patient_paid=patient,
        adjusted=adjusted,
        difference=difference,
        to_patient=patient_due - patient if base == INSURANCE else 0,
    )


def _lowering(cents: int | None, *, below: bool) -> int:
    """Return the posting for a payment or adjustment. `below`: the file writes it as a negative number."""
    return 0 if cents is None else cents if below else -cents


def _balances(read: Read, explained: int) -> tuple[int, int]:
    """Return the insurance and patient balance in cents. Raise `Untied` if the row's balances do not add up."""
    insurance, patient, total = (
        read(one) for one in (Field.INSURANCE_BALANCE, Field.PATIENT_BALANCE, Field.TOTAL_BALANCE)
    )
    owner = read(Field.RESPONSIBILITY)
    if insurance is None and patient is None and owner is not None:
        total = explained if total is None else total
        return (total, 0) if owner == INSURANCE else (0, total)
    if total is not None and (insurance is None) != (patient is None):
        return (total - patient, patient) if insurance is None else (insurance, total - insurance)
    found = insurance or 0, patient or 0
    if total is not None and total != sum(found):
        cure = "the insurance and patient balances do not add up to the total balance; correct one of the three"
        amounts = f"the two add up to {format_plain_amount(sum(found))}, the total is {format_plain_amount(total)}"
        raise Untied(Field.TOTAL_BALANCE, cure, amounts)
    return found


def _balances_only(insurance_due: int, patient_due: int) -> Amounts:
    return Amounts(
        INSURANCE,
        insurance_charge=max(insurance_due, 0),
        patient_charge=max(patient_due, 0),
        primary_paid=min(insurance_due, 0),
        patient_paid=min(patient_due, 0),
    )
