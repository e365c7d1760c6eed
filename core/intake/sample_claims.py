"""The sample's claims, one after the other from a seed, in batches of rows for the stages."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from core.claims.models import BALANCE_DUE, ClaimStatus, ClaimType, Hold
from core.intake import sample_fees, sample_ledger
from core.intake.sample_ledger import Course
from core.intake.sample_people import INSURERS, OFFICES, PAYERS, UNINSURED_SHARE, SamplePayer
from core.intake.sample_people import office_id, patient_id, provider_id
from core.intake.sample_stories import NOT_SUBMITTED, WITH_PAYER, Dues, Story, draw_story
from core.practices.models import PayerClass

SPAN_DAYS: Final = 548  # eighteen months
RECENT_SHARE: Final = 0.2  # the newest fifth of the claims is where those in process are
FUTURE_SHARE: Final = 0.004
FIRST_CLAIM_ID: Final = 184_000_000

_ANYONE: Final = (*(payer for payer in PAYERS for _ in range(payer.share)), *((None,) * UNINSURED_SHARE))
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


class World(NamedTuple):
    """How much there is of everything, and the day on which it is told."""

    claims: int
    patients: int
    billing_providers: int
    supervising_providers: int
    today: dt.date


class Services(NamedTuple):
    """What was done: (code, fee in cents) of each line."""

    lines: tuple[tuple[str, int], ...]
    equipment: bool


class Insurance(NamedTuple):
    """Who owes first, who second, and what they said."""

    primary: SamplePayer | None
    primary_status: str
    secondary: SamplePayer | None
    secondary_status: str

    @property
    def pays(self) -> bool:
        """Whether anyone but the patient owes."""
        return self.primary is not None and self.primary.payer_class != PayerClass.SELF_PAY


def batches(seed: Random, world: World, *, claims_per_batch: int) -> Iterator[Batch]:
    """Every claim of the world, oldest service first, in batches."""
    number = FIRST_CLAIM_ID
    batch = Batch()
    for index in range(world.claims):
        number += 1 + int(seed.random() * 39)
        _tell(batch, seed, world, index, str(number))
        if len(batch.claims) == claims_per_batch:
            yield batch
            batch = Batch()
    if batch.claims:
        yield batch


def _tell(batch: Batch, seed: Random, world: World, index: int, number: str) -> None:
    """Add one claim with its lines and postings."""
    random = seed.random
    age = index / world.claims
    in_future = age >= 1 - FUTURE_SHARE
    story = NOT_SUBMITTED if in_future else draw_story(seed, recent=age >= 1 - RECENT_SHARE)
    insurance = _insurance(seed, story)
    served = _service_date(seed, world.today, age, in_future=in_future)
    services = _services(seed, story)
    course = _course(seed, world.today, served, insurance)
    allowed = _add_lines(batch, seed, number, services, story, course)
    owes = story.owes
    sent = insurance.primary_status != _NONE
    first_edi = min(served + dt.timedelta(1 + int(random() * 4)), world.today) if sent else None
    last_edi = first_edi and min(first_edi + dt.timedelta(int(random() ** 3 * 40)), world.today)
    supervised = random() < 0.4
    batch.claims.append(
        (
            index + 1,
            number,
            patient_id(int(random() * world.patients)),
            office_id(int(random() ** 1.6 * len(OFFICES))),
            provider_id(int(random() ** 1.4 * world.billing_providers)),
            provider_id(world.billing_providers + int(random() * world.supervising_providers)) if supervised else None,
            (ClaimType.INSTITUTIONAL if random() < 0.12 else ClaimType.PROFESSIONAL).value,
            served,
            dt.time(8 + int(random() * 9), 15 * int(random() * 4)) if random() < 0.8 else None,
            _billing_status(seed, story, insurance, services),
            insurance.primary and insurance.primary.id,
            insurance.primary_status,
            insurance.secondary and insurance.secondary.id,
            insurance.secondary_status,
            _HOLDS[int(random() * len(_HOLDS))] if owes and random() < 0.034 else None,
            allowed,
            int(allowed * (0.7 + 0.25 * random())) if insurance.pays else 0,
            first_edi,
            last_edi,
        )
    )


def _insurance(seed: Random, story: Story) -> Insurance:
    payers = _INSURER if story.insured else _ANYONE
    primary = payers[int(seed.random() * len(payers))]
    if primary is None or primary.payer_class == PayerClass.SELF_PAY:
        return Insurance(primary, _NONE, None, _NONE)
    status = story.primary_statuses[int(seed.random() * len(story.primary_statuses))]
    if not story.with_secondary and (status != _RECEIVED or seed.random() > 0.07):
        return Insurance(primary, status, None, _NONE)
    secondary = _SECONDARY[int(seed.random() * len(_SECONDARY))]
    pending = story.with_secondary
    said = _SECONDARY_PENDING[int(seed.random() * len(_SECONDARY_PENDING))] if pending else _RECEIVED
    return Insurance(primary, status, secondary, said)


def _service_date(seed: Random, today: dt.date, age: float, *, in_future: bool) -> dt.date:
    """The later the claim, the later its service; a few days to and fro, no Sundays."""
    if in_future:
        return today + dt.timedelta(1 + int(seed.random() * 30))
    days_ago = int((1 - age) * SPAN_DAYS + seed.random() * 4)
    served = today - dt.timedelta(days_ago)
    return served if served.weekday() < 6 else served - dt.timedelta(1)


def _services(seed: Random, story: Story) -> Services:
    random = seed.random
    if random() < 0.001:
        return Services((), equipment=False)
    equipment = random() < 0.03
    first = sample_fees.EQUIPMENT if equipment else sample_fees.VISITS
    lines = [_priced(seed, first)]
    if story.credit_on_second_line or random() < 0.25:
        lines.extend(_priced(seed, sample_fees.EXTRAS) for _ in range(1 + int(random() ** 2 * 4)))
    return Services(tuple(lines), equipment)


def _priced(seed: Random, fees: tuple[tuple[str, int, int], ...]) -> tuple[str, int]:
    code, low, high = fees[int(seed.random() * len(fees))]
    return code, low + int(seed.random() ** 2 * (high - low))


def _course(seed: Random, today: dt.date, served: dt.date, insurance: Insurance) -> Course:
    """When the payer and the patient paid: weeks after the service, but never after today."""
    since = max(0, (today - served).days)
    adjudicated = min(14 + int(seed.random() * 26), since // 2)
    paid = min(adjudicated + 7 + int(seed.random() * 60), since * 4 // 5)
    if seed.random() < 0.01:
        paid = max(paid, since - int(seed.random() * 10))  # a few pay late, and have just done so
    return Course(
        insured=insurance.pays,
        secondary_pays=insurance.secondary_status == _RECEIVED,
        served=served,
        adjudicated=served + dt.timedelta(adjudicated),
        patient_paid=served + dt.timedelta(max(paid, adjudicated)),
    )


def _add_lines(
    batch: Batch, seed: Random, number: str, services: Services, story: Story, course: Course
) -> int:
    """Add the lines and their postings; give what is allowed for all of them, in cents."""
    allowed_cents = 0
    dues = _dues(seed, services, story, insured=course.insured)
    for line, (code, fee) in enumerate(services.lines, start=1):
        batch.lines.append((len(batch.lines) + 1, number, line, code))
        share = int(fee * (0.55 + 0.35 * seed.random()))
        if dues is None:
            allowed = share
            copay = 20_00 if line == 1 and course.insured and fee > 100_00 and seed.random() < 0.2 else 0
            entries = sample_ledger.untouched(course, fee=fee, copay=copay)
        else:
            insurance, patient = dues[line - 1]
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


def _dues(seed: Random, services: Services, story: Story, *, insured: bool) -> list[Dues] | None:
    """What each line is to be left with; None where nothing is adjudicated."""
    if story.leaves is None or not services.lines:
        return None
    insurance, patient = story.leaves(seed.random(), seed.random(), services.lines[0][1])
    if not insured:
        insurance, patient = 0, insurance + patient
    dues: list[Dues] = [(insurance, patient)] + [(0, 0)] * (len(services.lines) - 1)
    if story.credit_on_second_line:
        dues[1] = (0, -1 - int(seed.random() * 5_00))
    elif len(dues) > 1 and min(insurance, patient) >= 0 and seed.random() < 0.4:
        moved = min(patient // 3, services.lines[1][1] // 2)
        dues[0], dues[1] = (insurance, patient - moved), (0, moved)
    return dues


def _billing_status(seed: Random, story: Story, insurance: Insurance, services: Services) -> str:
    status = story.billing_statuses[int(seed.random() * len(story.billing_statuses))]
    if status != _BILL_INSURANCE or insurance.primary is None:
        return status if insurance.pays or status != _BILL_INSURANCE else BALANCE_DUE
    if services.equipment:
        return _EQUIPMENT_STATUS
    return _STATUS_OF_CLASS.get(insurance.primary.payer_class, status)
