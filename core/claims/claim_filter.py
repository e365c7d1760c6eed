"""A filter of claims, as the feed, previews, the API, commands and schedules give it."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from core import reading
from core.enums.claims import AgeBasis, AgeBucket, ClaimStatus, ClaimType
from core.enums.ledger import GroupCode
from core.errors import BadInput
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
