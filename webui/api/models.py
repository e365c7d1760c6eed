"""The API's answers, field by field: money in integer cents, ids as strings, times in UTC."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema

from core.enums.claims import AgeBucket
from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility, WriteOffReason
from core.jobs import codes

Id = Annotated[str, BeforeValidator(str)]
Ceiling = Annotated[int | Literal["unlimited"], Field(description='Cents, or "unlimited"')]
# Pydantic would describe a time with the format "time", which by RFC 3339 requires an offset. This one has none.
ClockTime = Annotated[
    dt.time,
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$", "examples": ["14:30:00"]}),
]


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Seen(Answer):
    """One value that a rule checked, with its label."""

    label: str
    value: str


def labeled(pairs: Iterable[tuple[str, str]]) -> list[Seen]:
    """Return values with their labels."""
    return [Seen(label=label, value=value) for label, value in pairs]


def _in_words(seen: dict[str, Any] | None) -> list[Seen]:
    return labeled(codes.rule_values(seen))


Why = Annotated[
    dict[str, Any] | None,
    Field(description="Values that the rule checked, by name; amounts in cents; null if no rule applies"),
]
WhyWords = Annotated[
    list[Seen],
    BeforeValidator(_in_words),
    Field(validation_alias="why", description="The same values with display labels"),
]


class Problem(Answer):
    """Why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: Annotated[str, Field(description="Stable code for programs")]
    detail: Annotated[str, Field(description="What went wrong, as a sentence")]
    facts: Annotated[
        dict[str, Any] | None, Field(description="Values that go with the code, e.g. the job's status")
    ] = None


class Claim(Answer):
    """A claim as the Live Claims Feed shows it."""

    id: Annotated[str, Field(validation_alias="claim_id", description="The practice's own claim ID")]
    version: Annotated[int, Field(description="Increases with every change that affects a rule, an amount or a status")]
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    service_time: Annotated[
        ClockTime | None,
        Field(description="HH:MM:SS on the service date, in local time, without a time zone; null if not known"),
    ]
    age_bucket: Annotated[
        AgeBucket,
        Strict(strict=False),
        Field(description="Days since the date of service, or by `age_basis`; future dates are in 0-30"),
    ]
    age_days: Annotated[int, Field(description="Days since the same date; below zero for a future date")]
    claim_type: str
    office: str
    supervising_provider: str | None
    billing_provider: str
    billing_status: str
    hold: Annotated[
        str | None,
        Field(description="The current hold, or `excluded` if the patient or a payer of the claim is excluded"),
    ]
    hold_until: Annotated[dt.date | None, Field(description="Last day of the hold; null means no end date")]
    hold_why: Annotated[str | None, Field(validation_alias="hold_reason")]
    hold_by: str | None
    primary_payer: str | None
    primary_status: str
    secondary_payer: str | None
    secondary_status: str
    billed_cents: Annotated[int, Field(validation_alias="billed")]
    allowed_cents: Annotated[int | None, Field(validation_alias="allowed")]
    expected_cents: Annotated[int | None, Field(validation_alias="expected")]
    adjustment_cents: Annotated[int, Field(validation_alias="adjustment")]
    primary_paid_cents: Annotated[int, Field(validation_alias="primary_paid")]
    secondary_paid_cents: Annotated[int, Field(validation_alias="secondary_paid")]
    patient_paid_cents: Annotated[int, Field(validation_alias="patient_paid")]
    written_off_cents: Annotated[int, Field(validation_alias="written_off", description="Write-offs less reversals")]
    insurance_due_cents: Annotated[int, Field(validation_alias="insurance_due")]
    patient_due_cents: Annotated[int, Field(validation_alias="patient_due")]
    total_due_cents: Annotated[int, Field(validation_alias="total_due")]
    first_edi_on: dt.date | None
    last_edi_on: dt.date | None
    statements_sent: Annotated[int | None, Field(description="Statements to the patient; null if not known")]
    last_statement_on: dt.date | None
    denied_on: Annotated[dt.date | None, Field(description="Date of the latest denial of the claim or a service line")]
    denial_group: Annotated[str | None, Field(description="Group code of the denial")]
    denial_carc: Annotated[str | None, Field(description="Claim adjustment reason code (CARC) of the denial")]
    last_answer_on: Annotated[
        dt.date | None, Field(description="Posting date of a payer's newest answer from a remittance; null if none")
    ]
    last_answer_status: Annotated[str | None, Field(description="Claim status code (CLP02) of that answer")]
    payer_claim_number: Annotated[str | None, Field(description="Payer's own claim number (CLP07) in that answer")]
    no_answer_days: Annotated[
        int | None, Field(description="Days since the last EDI date without an answer; null if none is awaited")
    ]
    service_codes: str
    eligibility: Annotated[
        str, Field(description="Write-off check: can_settle, or the code of the first rule that applies")
    ]


class ClaimsPage(Answer):
    """A page of claims, in the requested order."""

    claims: list[Claim]
    next_cursor: str | None


class Line(Answer):
    """One service line on a claim."""

    number: int
    procedure_code: str
    charge_cents: Annotated[int, Field(validation_alias="charge")]
    insurance_due_cents: Annotated[int, Field(validation_alias="insurance_due")]
    patient_due_cents: Annotated[int, Field(validation_alias="patient_due")]


class ClaimWithLines(Claim):
    """A claim with its service lines, and the reason if it can't be settled."""

    eligibility_words: Annotated[str, Field(description="The write-off check as a sentence")]
    why: Why
    why_words: WhyWords
    lines: list[Line]


class PostingEntry(Answer):
    """One posting in the ledger. It never changes."""

    id: Id
    line: int
    responsibility: Responsibility
    kind: PostingKind
    amount_cents: Annotated[int, Field(description="Positive raises the balance, negative lowers it")]
    paid_by: PaidBy | None
    group_code: GroupCode | None
    reason_code: str | None
    write_off_reason: WriteOffReason | None
    reason_name: Annotated[
        str | None, Field(description="The practice's name for the reason when the job was previewed")
    ]
    note: str | None
    posted_on: dt.date
    created_at: dt.datetime
    user: Annotated[str | None, Field(validation_alias="user_name")]
    approved_by: Annotated[str | None, Field(description="The other user, if it was over the per-claim limit")]
    settle_job_id: Annotated[Id | None, Field(validation_alias="job_id")]
    origin_settle_job_id: Annotated[
        Id | None,
        Field(
            validation_alias="origin_job_id",
            description="The job that posted the write-off that this entry reverses or restores after a payment",
        ),
    ]
    reverses_id: Id | None
    caused_by_id: Annotated[Id | None, Field(description="The later posting that caused this reversal or re-posting")]
    import_id: Annotated[Id | None, Field(description="The import that made it; null if a command or a user did")]
    remittance_id: Annotated[Id | None, Field(description="The remittance that made it")]
