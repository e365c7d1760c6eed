"""The ledger of one line of the sample: from its charge to its current balance."""

import datetime as dt
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility

# (responsibility, kind, cents, paid by, group code, reason code, posted on)
SampleEntry = tuple[str, str, int, str | None, str | None, str | None, dt.date]

_INSURANCE = Responsibility.INSURANCE.value
_PATIENT = Responsibility.PATIENT.value
_CHARGE = PostingKind.CHARGE.value
_PAYMENT = PostingKind.PAYMENT.value
_ADJUSTMENT = PostingKind.ADJUSTMENT.value
_TRANSFER = PostingKind.TRANSFER.value
_CONTRACTUAL = GroupCode.CONTRACTUAL.value
_BY_PRIMARY = PaidBy.PRIMARY.value
_BY_SECONDARY = PaidBy.SECONDARY.value
_BY_PATIENT = PaidBy.PATIENT.value
_FEE_ABOVE_CONTRACT = "45"  # CARC: the charge exceeds the fee schedule


class PaymentDates(NamedTuple):
    """The payers and dates that all lines of a claim share."""

    insured: bool
    secondary_pays: bool
    charged: dt.date
    adjudicated: dt.date
    patient_paid: dt.date


def unadjudicated_entries(course: PaymentDates, *, fee: int, copay: int) -> Iterator[SampleEntry]:
    """Yield a charge with nothing but a copay."""
    yield _charge(course, fee)
    if copay:
        yield (_INSURANCE, _PAYMENT, -copay, _BY_PATIENT, None, None, course.charged)


def adjudicated(
    seed: Random, course: PaymentDates, *, fee: int, allowed: int, insurance: int, patient: int
) -> Iterator[SampleEntry]:
    """Yield a charge that was adjusted to `allowed` and paid until `insurance` and `patient` cents are left."""
    yield _charge(course, fee)
    if fee > allowed:
        group, reason = (_CONTRACTUAL, _FEE_ABOVE_CONTRACT) if course.insured else (None, None)
        owed_by = _INSURANCE if course.insured else _PATIENT
        yield (owed_by, _ADJUSTMENT, allowed - fee, None, group, reason, course.adjudicated)
    paid = allowed - insurance - patient
    if course.insured:
        yield from _paid_by_both(seed, course, paid=paid, patient=patient)
    elif paid:
        yield (_PATIENT, _PAYMENT, -paid, _BY_PATIENT, None, None, course.patient_paid)


def _charge(course: PaymentDates, fee: int) -> SampleEntry:
    return (_INSURANCE if course.insured else _PATIENT, _CHARGE, fee, None, None, None, course.charged)


def _paid_by_both(seed: Random, course: PaymentDates, *, paid: int, patient: int) -> Iterator[SampleEntry]:
    """Yield the payers' part, the transfer of the patient's share, and the patient's part."""
    by_patient = max(int(paid * (0.1 + 0.2 * seed.random())), -patient)
    by_payers = paid - by_patient
    by_secondary = by_payers // 5 if course.secondary_pays else 0
    if by_payers > by_secondary:
        yield (_INSURANCE, _PAYMENT, by_secondary - by_payers, _BY_PRIMARY, None, None, course.adjudicated)
    if by_secondary:
        yield (_INSURANCE, _PAYMENT, -by_secondary, _BY_SECONDARY, None, None, course.adjudicated)
    share = patient + by_patient
    if share:
        yield (_INSURANCE, _TRANSFER, -share, None, None, None, course.adjudicated)
        yield (_PATIENT, _TRANSFER, share, None, None, None, course.adjudicated)
    if by_patient:
        yield (_PATIENT, _PAYMENT, -by_patient, _BY_PATIENT, None, None, course.patient_paid)
