"""Turn a claim of an 837 into rows of the stages. A patient's ID never contains a name."""

import datetime as dt
import hashlib
from typing import Any, Final, NamedTuple

from core.enums.claims import ClaimType
from core.enums.practices import PayerClass
from core.intake.parsing.fields import ID_CHARACTERS_MAX, LINES_MAX, TEXT_CHARACTERS_MAX, BadField, label
from core.x12.check import Summary
from core.x12.claims import ORIGINAL, Coverage, SentClaim, SentLine
from core.x12.envelope_records import Kind
from core.x12.parties import Party, full_name, plain, plain_tax_id
from core.x12.problems import Fault, Problem, Reach

ORDERS: Final = ("P", "S", "T")
_SELF: Final = "18"
_CLASS_OF_FILING: Final = {
    "MA": PayerClass.MEDICARE, "MB": PayerClass.MEDICARE, "16": PayerClass.MEDICARE, "MC": PayerClass.MEDICAID,
    "CH": PayerClass.TRICARE, "WC": PayerClass.WORKERS_COMP, "AM": PayerClass.AUTO, "09": PayerClass.SELF_PAY,
}  # fmt: skip
_RENDERING, _SUPERVISING, _TAX_ID = "82", "DQ", "EI"
_SERVICE, _STATEMENT = "472", "434"
_NUMBER_DIGITS_MAX: Final = 6  # of LX01
_DIGEST_CHARACTERS: Final = 10


class ClaimRows(NamedTuple):
    """The rows of one copy of a claim, in the order of the stages' columns."""

    copy: tuple[Any, ...]
    lines: list[tuple[Any, ...]]
    coverages: list[tuple[Any, ...]]


class _Unusable(Exception):
    """The claim cannot be imported."""

    def __init__(self, problem: Problem, element: str) -> None:
        self.problem, self.element = problem, element


def rows_of_claim(claim: SentClaim, summary: Summary, file: str, *, base: int) -> ClaimRows | Fault:
    """Return the rows of a claim, or why it cannot be imported. `base` is the place of its file in the files."""
    for fault in claim.faults:
        if fault.problem.reach >= Reach.CLAIM:
            return fault
    try:
        return ClaimRows(_copy(claim, summary, base), _lines(claim, base), _coverages(claim, base))
    except _Unusable as unusable:
        return Fault(unusable.problem, file, claim.segment, unusable.element)


def _copy(claim: SentClaim, summary: Summary, base: int) -> tuple[Any, ...]:
    assert claim.provider is not None, "a claim without a provider has a fault"
    if len(claim.lines) > LINES_MAX:
        raise _Unusable(Problem.MANY_LINES, "CLM")
    opened, destination = summary.opened, claim.coverages[0]
    coverages = _by_order(claim)
    key = coverages.get("P", destination)
    person = claim.patient or destination.subscriber
    if person is None:
        raise _Unusable(Problem.BAD_ID, "NM109")
    is_self = claim.patient is None if key is destination else key.relationship == _SELF
    office, rendering, supervising = claim.provider, *map(claim.parties.get, (_RENDERING, _SUPERVISING))
    sent_on, sent_at = opened.interchange.date, opened.group.sent_at
    claim_type = ClaimType.INSTITUTIONAL if summary.kind is Kind.INSTITUTIONAL else ClaimType.PROFESSIONAL
    return (
        base + claim.segment, sent_at or (sent_on and dt.datetime.combine(sent_on, dt.time())),
        sent_on or (sent_at and sent_at.date()), summary.digest, _id(claim.claim_id, "CLM01"),
        claim.frequency or ORIGINAL, _order_of(destination), claim_type.value, _service_date(claim),
        claim.charge_cents, claim.patient_paid_cents, _digest_of_person(person), "P" in coverages,
        _patient_id(key.subscriber, person, is_self=is_self), full_name(person)[:TEXT_CHARACTERS_MAX], person.born_on,
        *_party(office), *_party(rendering or office), *(_party(supervising) if supervising else (None, None)),
        plain_tax_id(_tax_id(office)) or None, plain(claim.replaced_claim_id) or None,
    )  # fmt: skip


def _lines(claim: SentClaim, base: int) -> list[tuple[Any, ...]]:
    """Return the lines, numbered as sent, or by their place if the sender's numbers are not usable."""
    sent = [line.number for line in claim.lines]
    are_numbers = all(one.isascii() and one.isdigit() and len(one) <= _NUMBER_DIGITS_MAX for one in sent)
    are_numbers = are_numbers and all(1 <= int(one) <= LINES_MAX for one in sent)
    is_usable = are_numbers and len({int(one) for one in sent}) == len(sent)
    numbers = [int(one) for one in sent] if is_usable else range(1, len(sent) + 1)
    return [_line(base, base + claim.segment, number, line) for number, line in zip(numbers, claim.lines, strict=True)]


def _line(base: int, copy: int, number: int, line: SentLine) -> tuple[Any, ...]:
    code, modifiers = (line.code[1:2] or (line.revenue_code,))[0], " ".join(filter(None, line.code[2:6]))
    served = line.dates.get(_SERVICE)
    control = plain(line.control_number) or None
    return (
        base + line.segment, copy, number, _id(code or line.revenue_code, "SV1"), modifiers, line.charge_cents,
        served[0] if served else None, control,
    )  # fmt: skip


def _coverages(claim: SentClaim, base: int) -> list[tuple[Any, ...]]:
    at = base + claim.segment
    return [(at, at, order, *_payer(one)) for order, one in _by_order(claim).items()]


def _payer(coverage: Coverage) -> tuple[str | None, ...]:
    """Return the payer's ID, name and class, and the subscriber's member ID."""
    payer, subscriber = coverage.payer, coverage.subscriber
    named = _party(payer) if payer and (payer.id.strip() or payer.name.strip()) else (None, None)
    payer_class = _CLASS_OF_FILING.get(coverage.filing, PayerClass.COMMERCIAL).value
    return *named, payer_class, (plain(subscriber.id) if subscriber else "") or None


def _by_order(claim: SentClaim) -> dict[str, Coverage]:
    found: dict[str, Coverage] = {}
    for coverage in claim.coverages:
        found.setdefault(_order_of(coverage), coverage)
    found.pop("", None)
    return found


def _order_of(coverage: Coverage) -> str:
    """Return P, S or T. Code U means that the order is unknown."""
    if coverage.order in ORDERS:
        return coverage.order
    return "P" if coverage.order in {"", "U"} else ""


def _service_date(claim: SentClaim) -> dt.date:
    served = [line.dates[_SERVICE][0] for line in claim.lines if _SERVICE in line.dates]
    period = claim.dates.get(_SERVICE) or claim.dates.get(_STATEMENT)
    if not served and period is None:
        raise _Unusable(Problem.NO_SERVICE_DATE, "DTP03")
    return min(served) if served else period[0]  # type: ignore[index]  # one of them is given


def _patient_id(subscriber: Party | None, person: Party, *, is_self: bool) -> str:
    member = plain(subscriber.id) if subscriber else ""
    if not member:
        return f"person-{_digest(person.name, person.first, person.born_on)}"
    return _id(member, "NM109") if is_self else _id(f"{member}-{_digest_of_person(person)}", "NM109")


def _digest_of_person(person: Party) -> str:
    return _digest(person.first or person.name, person.born_on)


def _digest(*values: object) -> str:
    text = "|".join("" if value is None else str(value).strip().casefold() for value in values)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _party(party: Party) -> tuple[str, str]:
    """Return the ID and the name. Without an NPI or payer ID, it is the tax ID, or the name itself."""
    name = full_name(party)[:TEXT_CHARACTERS_MAX]
    return _id(party.id or _tax_id(party) or name, "NM109"), name or party.id


def _tax_id(party: Party) -> str:
    return next((value for kind, value in party.references if kind == _TAX_ID), "")


def _id(text: str, element: str) -> str:
    text = text.strip()
    try:
        if not text or len(text) > ID_CHARACTERS_MAX:
            raise _Unusable(Problem.BAD_ID, element)
        return label(text)
    except BadField:
        raise _Unusable(Problem.BAD_ID, element) from None
