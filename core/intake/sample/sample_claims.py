"""The sample's claims from a seed, in batches of rows for the stages."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from core.enums.claims import BALANCE_DUE, ClaimStatus, ClaimType, Hold
from core.enums.practices import PayerClass
from core.intake.sample import sample_collection, sample_fees, sample_ledger
from core.intake.sample.sample_ledger import PaymentDates
from core.intake.sample.sample_people import (
    INSURERS,
    OFFICES,
    PAYERS,
    UNINSURED_SHARE,
    SamplePayer,
    office_id,
    patient_id,
    provider_id,
)
from core.intake.sample.sample_scenarios import NOT_SUBMITTED, WITH_PAYER, Dues, Scenario, draw_scenario

SPAN_DAYS: Final = 548  # eighteen months
RECENT_SHARE: Final = 0.2  # claims in process are among the newest fifth
FUTURE_SHARE: Final = 0.004
FIRST_CLAIM_ID: Final = 184_000_000
COPAY_CENTS: Final = 20_00

# Shares of the claims (or of those that qualify); 1 means all.
SUPERVISED: Final = 0.4
INSTITUTIONAL: Final = 0.12
WITH_TIME_OF_DAY: Final = 0.8
ON_HOLD_SHARE: Final = 0.034  # of claims with a balance
WITH_SECONDARY: Final = 0.07  # of claims that the primary payer has answered
WITHOUT_LINES: Final = 0.001
EQUIPMENT: Final = 0.03
SEVERAL_LINES: Final = 0.25
PAID_LATE: Final = 0.01
COPAID: Final = 0.2  # of visits that no payer has answered
DUE_ON_TWO_LINES: Final = 0.4  # of claims with several lines

_SUNDAY: Final = 6

_ANYONE: Final = (
    *(payer if payer in INSURERS else None for payer in PAYERS for _ in range(payer.share)),
    *((None,) * UNINSURED_SHARE),
)
_INSURER: Final = tuple(payer for payer in INSURERS for _ in range(payer.share))
_SECONDARY: Final = tuple(payer for payer in INSURERS if payer.payer_class == PayerClass.COMMERCIAL)
_RECEIVED: Final = ClaimStatus.ERA_RECEIVED.value
_NONE: Final = ClaimStatus.NONE.value
_SECONDARY_PENDING: Final = (
    *WITH_PAYER,
    _NONE,
    ClaimStatus.REJECTED.value,
    ClaimStatus.COORDINATION_OF_BENEFITS.value,
)
_HOLDS: Final = tuple(hold.value for hold in Hold)
_BILL_INSURANCE: Final = "Bill Insurance"
_STATUS_OF_CLASS: Final = {
    PayerClass.AUTO: "Auto Accident Claim",
    PayerClass.WORKERS_COMP: "Worker's Comp Claim",
}
_EQUIPMENT_STATUS: Final = "Durable Medical Equipment Claim"


@dataclass
class Batch:
    """Rows for the three stages."""

    claims: list[tuple[Any, ...]] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)
    postings: list[tuple[Any, ...]] = field(default_factory=list)


class SampleSize(NamedTuple):
    """The number of rows of each kind, and the current date."""

    claims: int
    patients: int
    billing_providers: int
    supervising_providers: int
    today: dt.date


class Services(NamedTuple):
    """The services of a claim: (code, fee in cents) of each line."""

    lines: tuple[tuple[str, int], ...]
    equipment: bool


class Insurance(NamedTuple):
    """The payers of a claim and their answers."""

    primary: SamplePayer | None
    primary_status: str
    secondary: SamplePayer | None
    secondary_status: str

    @property
    def pays(self) -> bool:
        """Return whether a payer owes anything."""
        return self.primary is not None


def batches(seed: Random, world: SampleSize, *, claims_per_batch: int) -> Iterator[Batch]:
    """Yield all claims, oldest date of service first, in batches."""
    number = FIRST_CLAIM_ID
    batch = Batch()
    for index in range(world.claims):
        number += 1 + int(seed.random() * 39)
        _add_claim(batch, seed, world, index, str(number))
        if len(batch.claims) == claims_per_batch:
            yield batch
            batch = Batch()
    if batch.claims:
        yield batch


def _add_claim(batch: Batch, seed: Random, world: SampleSize, index: int, number: str) -> None:
    """Add one claim with its lines and postings."""
    age = index / world.claims
    in_future = age >= 1 - FUTURE_SHARE
    story = NOT_SUBMITTED if in_future else draw_scenario(seed, recent=age >= 1 - RECENT_SHARE)
    insurance = _insurance(seed, story)
    served = _service_date(seed, world.today, age, in_future=in_future)
    services = _services(seed, story)
    course = _payment_dates(seed, world.today, served, insurance)
    allowed = _add_lines(batch, seed, number, services, story, course)
    places, claim_type = _people_and_places(seed, world), _claim_type(seed)
    time, status = _time_of_day(seed), _billing_status(seed, story, insurance, services)
    batch.claims.append(
        (
            index + 1,
            number,
            *places,
            claim_type,
            served,
            time,
            status,
            insurance.primary and insurance.primary.id,
            insurance.primary_status,
            insurance.secondary and insurance.secondary.id,
            insurance.secondary_status,
            _HOLDS[int(seed.random() * len(_HOLDS))] if story.owes and seed.random() < ON_HOLD_SHARE else None,
            allowed,
            int(allowed * (0.7 + 0.25 * seed.random())) if insurance.pays else 0,
            *_edi_dates(seed, world.today, served, insurance),
            *sample_collection.statements(world.today, index, served, status),
            *sample_collection.denial(world.today, index, served, insurance.primary_status),
        )
    )


def _people_and_places(seed: Random, world: SampleSize) -> tuple[str, str, str, str | None]:
    """Return patient, office, billing provider and supervising provider. Some are busier than others."""
    random = seed.random
    supervising = world.billing_providers + int(random() * world.supervising_providers)
    return (
        patient_id(int(random() * world.patients)),
        office_id(int(random() ** 1.6 * len(OFFICES))),
        provider_id(int(random() ** 1.4 * world.billing_providers)),
        provider_id(supervising) if random() < SUPERVISED else None,
    )


def _time_of_day(seed: Random) -> dt.time | None:
    quarter = int(seed.random() * 36)  # from 8:00 to 16:45
    return dt.time(8 + quarter // 4, quarter % 4 * 15) if seed.random() < WITH_TIME_OF_DAY else None


def _edi_dates(
    seed: Random, today: dt.date, served: dt.date, insurance: Insurance
) -> tuple[dt.date, dt.date] | tuple[None, None]:
    """Return when the claim was first and last sent to a payer, if it was."""
    if insurance.primary_status == _NONE:
        return None, None
    first = min(served + dt.timedelta(1 + int(seed.random() * 4)), today)
    return first, min(first + dt.timedelta(int(seed.random() ** 3 * 40)), today)


def _claim_type(seed: Random) -> str:
    return (ClaimType.INSTITUTIONAL if seed.random() < INSTITUTIONAL else ClaimType.PROFESSIONAL).value


def _insurance(seed: Random, story: Scenario) -> Insurance:
    payers = _INSURER if story.insured else _ANYONE
    primary = payers[int(seed.random() * len(payers))]
    if primary is None:
        return Insurance(None, _NONE, None, _NONE)
    status = story.primary_statuses[int(seed.random() * len(story.primary_statuses))]
    if not story.with_secondary and (status != _RECEIVED or seed.random() > WITH_SECONDARY):
        return Insurance(primary, status, None, _NONE)
    secondary = _SECONDARY[int(seed.random() * len(_SECONDARY))]
    pending = story.with_secondary
    secondary_status = _SECONDARY_PENDING[int(seed.random() * len(_SECONDARY_PENDING))] if pending else _RECEIVED
    return Insurance(primary, status, secondary, secondary_status)


def _service_date(seed: Random, today: dt.date, age: float, *, in_future: bool) -> dt.date:
    """Return a date of service: later for later claims, varied by a few days, never a Sunday."""
    if in_future:
        return today + dt.timedelta(1 + int(seed.random() * 30))
    days_ago = int((1 - age) * SPAN_DAYS + seed.random() * 4)
    served = today - dt.timedelta(days_ago)
    return served if served.weekday() != _SUNDAY else served - dt.timedelta(1)


def _services(seed: Random, story: Scenario) -> Services:
    random = seed.random
    if random() < WITHOUT_LINES:
        return Services((), equipment=False)
    equipment = random() < EQUIPMENT
    first = sample_fees.EQUIPMENT if equipment else sample_fees.VISITS
    lines = [_priced(seed, first)]
    if story.credit_on_second_line or random() < SEVERAL_LINES:
        lines.extend(_priced(seed, sample_fees.EXTRAS) for _ in range(1 + int(random() ** 2 * 4)))
    return Services(tuple(lines), equipment)


def _priced(seed: Random, fees: tuple[tuple[str, int, int], ...]) -> tuple[str, int]:
    code, low, high = fees[int(seed.random() * len(fees))]
    return code, low + int(seed.random() ** 2 * (high - low))


def _payment_dates(seed: Random, today: dt.date, served: dt.date, insurance: Insurance) -> PaymentDates:
    """Return when the payer and the patient paid: weeks after the service, but not after today."""
    since = max(0, (today - served).days)
    adjudicated = min(14 + int(seed.random() * 26), since // 2)
    paid = min(adjudicated + 7 + int(seed.random() * 60), since * 4 // 5)
    if seed.random() < PAID_LATE:
        paid = max(paid, since - int(seed.random() * 10))  # a few pay late, within the last days
    return PaymentDates(
        insured=insurance.pays,
        secondary_pays=insurance.secondary_status == _RECEIVED,
        charged=min(served, today),
        adjudicated=served + dt.timedelta(adjudicated),
        patient_paid=served + dt.timedelta(max(paid, adjudicated)),
    )


def _add_lines(
    batch: Batch, seed: Random, number: str, services: Services, story: Scenario, course: PaymentDates
) -> int:
    """Add the lines and their postings. Return the allowed amount of all of them, in cents."""
    allowed_cents = 0
    dues = _dues(seed, services, story, insured=course.insured)
    for line, (code, fee) in enumerate(services.lines, start=1):
        batch.lines.append((len(batch.lines) + 1, number, line, code))
        share = int(fee * (0.55 + 0.35 * seed.random()))
        if dues is None:
            allowed = share
            copaid = line == 1 and course.insured and fee > 5 * COPAY_CENTS and seed.random() < COPAID
            entries = sample_ledger.unadjudicated_entries(course, fee=fee, copay=COPAY_CENTS if copaid else 0)
        else:
            insurance = min(dues[line - 1][0], fee)
            patient = min(dues[line - 1][1], fee - max(insurance, 0))
            allowed = min(fee, max(share, max(insurance, 0) + max(patient, 0)))
            entries = sample_ledger.adjudicated(
                seed, course, fee=fee, allowed=allowed, insurance=insurance, patient=patient
            )
        allowed_cents += allowed
        for owed_by, kind, cents, paid_by, group, reason, on in entries:
            batch.postings.append(
                (len(batch.postings) + 1, None, number, line, owed_by, kind, cents, paid_by, group, reason, on)
            )
    return allowed_cents


def _dues(seed: Random, services: Services, story: Scenario, *, insured: bool) -> list[Dues] | None:
    """Return the balance to leave on each line, or None if the claim is not adjudicated."""
    if story.amounts_left is None or not services.lines:
        return None
    insurance, patient = story.amounts_left(seed.random(), seed.random(), services.lines[0][1])
    if not insured:
        insurance, patient = 0, insurance + patient
    dues: list[Dues] = [(insurance, patient)] + [(0, 0)] * (len(services.lines) - 1)
    if story.credit_on_second_line:
        dues[1] = (0, -1 - int(seed.random() * 5_00))
    elif len(dues) > 1 and min(insurance, patient) >= 0 and seed.random() < DUE_ON_TWO_LINES:
        moved = min(patient // 3, services.lines[1][1] // 2)
        dues[0], dues[1] = (insurance, patient - moved), (0, moved)
    return dues


def _billing_status(seed: Random, story: Scenario, insurance: Insurance, services: Services) -> str:
    status = story.billing_statuses[int(seed.random() * len(story.billing_statuses))]
    if status != _BILL_INSURANCE or insurance.primary is None:
        return status if insurance.pays or status != _BILL_INSURANCE else BALANCE_DUE
    if services.equipment:
        return _EQUIPMENT_STATUS
    return _STATUS_OF_CLASS.get(insurance.primary.payer_class, status)
