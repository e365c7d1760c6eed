"""Translate a ClaimFilter to a WHERE clause, for the feed, previews, the API, commands and schedules."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy import ColumnElement, and_, func, or_, select

from core import reading
from core.claims import age_buckets, answers
from core.claims.age_buckets import AgeBucket
from core.db.text_match import contains, is_named
from core.enums.claims import AgeBasis, ClaimStatus, ClaimType
from core.enums.ledger import GroupCode
from core.errors import BadInput
from core.models.claims import Claim
from core.models.practices import Office, Patient, Payer, Provider
from core.money import CENTS_MAX

QUOTED_CHARACTERS_MAX = 60  # of a key or value that an error message repeats


class BadFilter(BadInput):
    """The filter has an unknown key or value."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _not_blank(value: str) -> str:
    # A page ignores blank text, so a view would select more claims there.
    if not value.strip():
        raise ValueError("type more than spaces")
    return value


# Values are read strictly, because a wrong filter settles the wrong claims.
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_not_blank)]
TextList = Annotated[tuple[Text, ...], BeforeValidator(_as_list), Field(min_length=1)]
CentsBound = Annotated[
    int, Field(ge=-CENTS_MAX, le=CENTS_MAX), BeforeValidator(reading.whole_number(reading.WHOLE_CENTS))
]
Days = Annotated[
    int, Field(ge=0, le=40_000), BeforeValidator(reading.whole_number("write a whole number of days, such as 90"))
]
Count = Annotated[
    int, Field(ge=0, le=999), BeforeValidator(reading.whole_number("write a whole number from 0 to 999, such as 3"))
]
YesNo = Annotated[bool, BeforeValidator(reading.parse_bool)]


class ClaimFilter(BaseModel):
    """Which claims to select. All keys given apply; a list means any of its values.

    Without keys, it selects every claim.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    billing_status: TextList = ()
    claim_status: Annotated[
        tuple[ClaimStatus, ...], BeforeValidator(_as_list), Field(min_length=1)
    ] = ()  # for Ins 1 or Ins 2
    claim_type: ClaimType | None = None
    office: TextList = ()  # the practice's own ids, as for all ids below
    billing_provider: TextList = ()
    supervising_provider: TextList = ()
    payer: Text | None = None  # part of the name of Ins 1 or Ins 2
    payer_id: Text | None = None
    primary_payer_id: Text | None = None
    patient: Text | None = None  # words of the name in any order, or in quotation marks a part of it as it is written
    patient_id: TextList = ()
    claim_id: Text | None = None  # exactly this claim
    claim_id_prefix: Text | None = None  # beginning of a claim number: 1 means 1, 10, 100, …
    claim_id_part: Text | None = None  # any part of a claim number
    # date of service, inclusive, in the practice's time zone
    from_: Annotated[reading.Day | None, Field(alias="from")] = None
    to: reading.Day | None = None
    amount_cents: CentsBound | None = None  # exactly this, billed or as insurance, patient or total balance
    insurance_due_min_cents: CentsBound | None = None
    insurance_due_max_cents: CentsBound | None = None
    patient_due_min_cents: CentsBound | None = None
    patient_due_max_cents: CentsBound | None = None
    total_due_min_cents: CentsBound | None = None
    total_due_max_cents: CentsBound | None = None
    age_bucket: Annotated[tuple[AgeBucket, ...], BeforeValidator(_as_list), Field(min_length=1)] = ()
    age_basis: AgeBasis | None = None  # what the three age keys count from; the date of service if not given
    age_min_days: Days | None = None
    age_max_days: Days | None = None
    last_payment_before: reading.Day | None = None  # or never paid
    statements_sent_min: Count | None = None
    statements_sent_max: Count | None = None  # or unknown
    last_statement_before: reading.Day | None = None  # or no statement
    denied_from: reading.Day | None = None
    denied_to: reading.Day | None = None
    denial_group: GroupCode | None = None
    denial_carc: Text | None = None
    last_answer_from: reading.Day | None = None  # the newest answer of a payer that was posted from a remittance
    last_answer_to: reading.Day | None = None
    last_answer_status: TextList = ()  # CLP02
    payer_claim_number: Text | None = None  # CLP07 of any answer
    no_answer_min_days: Days | None = None  # since the last EDI date, without an answer or a rejection
    has_primary: YesNo | None = None  # a self-pay claim has none
    has_secondary: YesNo | None = None
    on_hold: YesNo | None = None  # by a current hold or an exclusion
    in_job: YesNo | None = None  # reserved by another open job
    eligibility: TextList = ()  # can_settle, or the code of a rule

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read a filter from JSON. Raise `BadFilter` naming each bad key and how to fix it."""
        return cls._read(given)

    @classmethod
    def from_texts(cls, given: Mapping[str, str | list[str]]) -> Self:
        """Read a filter from an address or a command line, where every value is text. Raise `BadFilter`."""
        return cls._read(given, context=reading.TEXT_CONTEXT)

    @classmethod
    def _read(cls, given: Mapping[str, Any], **how: Any) -> Self:
        found = {key: "null is not a filter value; leave the key out" for key, value in given.items() if value is None}
        try:
            if not found:
                return cls.model_validate(given, **how)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                found.setdefault(reading.field_path(fault["loc"][:1]), _words(fault))
        raise BadFilter(reading.join_faults(found))

    @property
    def age_from(self) -> AgeBasis:
        """Return what ages count from."""
        return self.age_basis or AgeBasis.SERVICE

    @property
    def selects_every_claim(self) -> bool:
        """Return whether no key narrows the filter. `age_basis` alone does not."""
        return not self.given().keys() - {"age_basis"}

    def given(self) -> dict[str, Any]:
        """Return the keys given, as JSON. It is empty if the filter selects every claim."""
        return {
            key: value for key, value in self.model_dump(mode="json", by_alias=True).items() if value not in (None, [])
        }


def _words(fault: ErrorDetails) -> str:
    known, named = [field.alias or name for name, field in ClaimFilter.model_fields.items()], fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"unknown filter key; the known keys are: {', '.join(known)}"
    if fault["type"] == "enum" and isinstance(named, str):
        return f"unknown {named[:QUOTED_CHARACTERS_MAX]!r}; it {reading.words(fault)}"
    return reading.words(fault)


def where(practice_id: int, f: ClaimFilter, *, today: dt.date) -> ColumnElement[bool]:
    """Return the condition on `claim` for all keys but `eligibility`, `on_hold` and `in_job`.

    Those three need rules and jobs.
    """
    return and_(
        Claim.practice_id == practice_id,
        *_place_conditions(practice_id, f),
        *_claim_conditions(f),
        *_balance_conditions(f),
        *_date_conditions(f, today),
        *_collection_conditions(f),
        *_answer_conditions(practice_id, f, today),
    )


def _ids(practice_id: int, table: Any, external_ids: Iterable[str]) -> Any:
    return (
        select(table.id).where(table.practice_id == practice_id, table.external_id.in_(external_ids)).scalar_subquery()
    )


def _place_conditions(practice_id: int, f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    if f.office:
        yield Claim.office_id.in_(_ids(practice_id, Office, f.office))
    if f.billing_provider:
        yield Claim.billing_provider_id.in_(_ids(practice_id, Provider, f.billing_provider))
    if f.supervising_provider:
        yield Claim.supervising_provider_id.in_(_ids(practice_id, Provider, f.supervising_provider))
    if f.patient:
        named = select(Patient.id).where(Patient.practice_id == practice_id, is_named(Patient.name, f.patient))
        yield Claim.patient_id.in_(named)
    if f.patient_id:
        yield Claim.patient_id.in_(_ids(practice_id, Patient, f.patient_id))
    payer = [Payer.practice_id == practice_id]
    if f.payer:
        payer.append(contains(Payer.name, f.payer))
    if f.payer_id:
        payer.append(Payer.external_id == f.payer_id)
    if len(payer) > 1:
        payers = select(Payer.id).where(*payer)
        yield or_(Claim.primary_payer_id.in_(payers), Claim.secondary_payer_id.in_(payers))
    if f.primary_payer_id:
        yield Claim.primary_payer_id.in_(_ids(practice_id, Payer, [f.primary_payer_id]))


def _claim_conditions(f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    if f.billing_status:
        yield Claim.billing_status.in_(f.billing_status)
    if f.claim_status:
        yield or_(
            Claim.primary_status.in_(f.claim_status),
            and_(
                Claim.secondary_payer_id.is_not(None),
                Claim.secondary_status.in_(f.claim_status),
            ),
        )
    if f.claim_type:
        yield Claim.claim_type == f.claim_type
    if f.claim_id:
        yield Claim.external_id == f.claim_id
    if f.claim_id_prefix:
        # Not LIKE, for which PostgreSQL uses no index under row-level security, because its errors may show values.
        yield Claim.external_id.bool_op("^@")(f.claim_id_prefix)
    if f.has_primary is not None:
        yield Claim.primary_payer_id.is_not(None) == f.has_primary
    if f.claim_id_part:
        yield contains(Claim.external_id, f.claim_id_part)
    if f.has_secondary is not None:
        yield Claim.secondary_payer_id.is_not(None) == f.has_secondary


def _balance_conditions(f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    dues: dict[str, ColumnElement[int]] = {
        "insurance": Claim.insurance_due.expression,
        "patient": Claim.patient_due.expression,
        "total": Claim.insurance_due + Claim.patient_due,
    }
    if f.amount_cents is not None:
        yield or_(*(amount == f.amount_cents for amount in (Claim.billed, *dues.values())))
    for name, due in dues.items():
        least: int | None = getattr(f, f"{name}_due_min_cents")
        most: int | None = getattr(f, f"{name}_due_max_cents")
        if least is not None:
            yield due >= least
        if most is not None:
            yield due <= most


def _date_conditions(f: ClaimFilter, today: dt.date) -> Iterable[ColumnElement[bool]]:
    if f.from_:
        yield Claim.service_date >= f.from_
    if f.to:
        yield Claim.service_date <= f.to
    if f.age_bucket:
        yield age_buckets.is_in(f.age_bucket, today, f.age_from)
    if f.age_min_days is not None:
        yield age_buckets.age_date(f.age_from) <= today - dt.timedelta(days=f.age_min_days)
    if f.age_max_days is not None:
        yield age_buckets.age_date(f.age_from) >= today - dt.timedelta(days=f.age_max_days)
    if f.last_payment_before:
        yield func.coalesce(Claim.last_payment_on < f.last_payment_before, True)


def _collection_conditions(f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    if f.statements_sent_min is not None:
        yield func.coalesce(Claim.statements_sent, 0) >= f.statements_sent_min
    if f.statements_sent_max is not None:
        yield func.coalesce(Claim.statements_sent, 0) <= f.statements_sent_max
    if f.last_statement_before:
        yield func.coalesce(Claim.last_statement_on < f.last_statement_before, True)
    if f.denied_from:
        yield Claim.denied_on >= f.denied_from
    if f.denied_to:
        yield Claim.denied_on <= f.denied_to
    if f.denial_group:
        yield Claim.denial_group == f.denial_group
    if f.denial_carc:
        yield Claim.denial_carc == f.denial_carc


def _answer_conditions(practice_id: int, f: ClaimFilter, today: dt.date) -> Iterable[ColumnElement[bool]]:
    if f.last_answer_from:
        yield Claim.last_answer_on >= f.last_answer_from
    if f.last_answer_to:
        yield Claim.last_answer_on <= f.last_answer_to
    if f.last_answer_status:
        yield Claim.last_answer_status.in_(f.last_answer_status)
    if f.payer_claim_number:
        yield answers.has_payer_number(practice_id, f.payer_claim_number)
    if f.no_answer_min_days is not None:
        yield answers.waits_since() <= today - dt.timedelta(days=f.no_answer_min_days)
