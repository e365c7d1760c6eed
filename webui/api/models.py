"""What the API answers, field by field: money in integer cents, ids as strings, times in UTC."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from core.jobs import codes
from core.jobs.approval.limits import OverLimit
from core.jobs.preview.totals import CodeCount, Group
from core.models.job_items import Outcome, Verdict
from core.models.jobs import JobKind, JobStatus
from core.models.ledger import GroupCode, PaidBy, PostingKind, Responsibility, WriteOffReason
from core.models.practices import WriteOffSetting

Id = Annotated[str, BeforeValidator(str)]
Ceiling = Annotated[int | Literal["unlimited"], Field(description="Cents, or the word unlimited")]
# Pydantic would describe a time as the format "time". By RFC 3339 that requires an offset, and this has none.
ClockTime = Annotated[
    dt.time,
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$", "examples": ["14:30:00"]}),
]


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    def json_ready(self) -> dict[str, Any]:
        """What stands in the answer's JSON."""
        return self.model_dump(mode="json")


class Seen(Answer):
    """One thing that a rule saw, for people."""

    label: str
    value: str


def _in_words(seen: dict[str, Any] | None) -> list[Seen]:
    return [Seen(label=label, value=value) for label, value in codes.rule_values(seen)]


Why = Annotated[
    dict[str, Any] | None, Field(description="What its rule saw, by name; amounts in cents; null where no rule said no")
]
WhyWords = Annotated[
    list[Seen], BeforeValidator(_in_words), Field(validation_alias="why", description="The same, for people")
]


class Problem(Answer):
    """Why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: Annotated[str, Field(description="Stable, for programs")]
    detail: Annotated[str, Field(description="A sentence, for people")]
    facts: Annotated[dict[str, Any] | None, Field(description="Values that the code has, such as the job's status")] = (
        None
    )


class Claim(Answer):
    """A claim as the Live Claims Feed shows it."""

    id: Annotated[str, Field(validation_alias="claim_id", description="The practice's own claim number")]
    version: Annotated[int, Field(description="Rises with every change that a rule, an amount or a status reads")]
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    service_time: Annotated[
        ClockTime | None,
        Field(description="HH:MM:SS on the service date, local and without a time zone; null: none was given"),
    ]
    claim_type: str
    office: str
    supervising_provider: str | None
    billing_provider: str
    billing_status: str
    hold: Annotated[str | None, Field(description="A hold that lasts, or excluded: its patient or a payer of it is")]
    hold_until: Annotated[dt.date | None, Field(description="Its last day; null: until somebody releases it")]
    hold_why: str | None
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
    written_off_cents: Annotated[int, Field(validation_alias="written_off", description="Less what was reversed")]
    insurance_due_cents: Annotated[int, Field(validation_alias="insurance_due")]
    patient_due_cents: Annotated[int, Field(validation_alias="patient_due")]
    total_due_cents: Annotated[int, Field(validation_alias="total_due")]
    first_edi_on: dt.date | None
    last_edi_on: dt.date | None
    service_codes: str
    eligibility: Annotated[str, Field(description="can_settle, or the code of the rule that matches first")]


class ClaimsPage(Answer):
    """Some claims, in order."""

    claims: list[Claim]
    next_cursor: str | None


class Line(Answer):
    """One charged service of a claim."""

    number: int
    procedure_code: str
    charge_cents: Annotated[int, Field(validation_alias="charge")]
    insurance_due_cents: Annotated[int, Field(validation_alias="insurance_due")]
    patient_due_cents: Annotated[int, Field(validation_alias="patient_due")]


class ClaimWithLines(Claim):
    """A claim with its line items, and why its rule keeps it from being settled."""

    eligibility_words: Annotated[str, Field(description="The sentence of the eligibility")]
    why: Why
    why_words: WhyWords
    lines: list[Line]


class PostingEntry(Answer):
    """One entry of the ledger; it never changes."""

    id: Id
    line: int
    responsibility: Responsibility
    kind: PostingKind
    amount_cents: Annotated[int, Field(description="Positive raises what is due, negative lowers it")]
    paid_by: PaidBy | None
    group_code: GroupCode | None
    reason_code: str | None
    write_off_reason: WriteOffReason | None
    note: str | None
    posted_on: dt.date
    created_at: dt.datetime
    user: Annotated[str | None, Field(validation_alias="user_name")]
    settle_job_id: Annotated[Id | None, Field(validation_alias="job_id")]
    origin_settle_job_id: Annotated[
        Id | None,
        Field(
            validation_alias="origin_job_id",
            description="The job whose write-off a late payment has taken back or posted again here",
        ),
    ]
    reverses_id: Id | None
    caused_by_id: Annotated[Id | None, Field(description="What came late and took it back, or posted it again")]


class Postings(Answer):
    """The whole ledger of one claim, from the first charge on."""

    claim_id: str
    postings: list[PostingEntry]


class Counts(Answer):
    """How many claims a preview splits into what."""

    claims: int
    will_settle: int
    with_money: Annotated[int, Field(description="Of those that will settle: with a write-off")]
    status_only: Annotated[int, Field(description="Of those that will settle: without one")]
    skipped: int
    write_offs: Annotated[int, Field(description="Postings that will be made")]
    in_other_jobs: Annotated[int, Field(description="Held by another open job; a warning")]


class CostShare(Answer):
    """Medicare or Medicaid cost sharing: in the job, and in the twelve months up to its day; in cents."""

    claims: Annotated[int, Field(description="Of the job")]
    job_cents: Annotated[int, Field(description="What the job will write off of it")]
    since: dt.date
    until: dt.date
    written_off_cents: Annotated[int, Field(description="Written off in these months, and not reversed since")]
    became_due_cents: Annotated[int, Field(description="Charges and transfers to the patients in these months")]
    percent: Annotated[int | None, Field(description="The share written off, rounded down; null where nothing was due")]
    includes_medicaid: Annotated[bool, Field(description="False: of an earlier version, which left out Medicaid alone")]


class Totals(Answer):
    """What a preview will write off."""

    insurance_cents: int
    patient_cents: int
    by_payer: list[Group]
    by_provider: list[Group]
    by_code: Annotated[list[CodeCount], Field(description="Claims that a rule decided, by its code")]
    cost_share: Annotated[CostShare | None, Field(description="Where the job writes off any: CONFIRM needs a reason")]


class SettleJobSummary(Answer):
    """A job, without the parts of its totals."""

    id: str
    kind: JobKind
    status: JobStatus
    reverses_job_id: Annotated[str | None, Field(description="Of a reversal: which job it takes back")]
    target_status: str
    reason: WriteOffReason | None
    note: str
    cost_share_reason: Annotated[str, Field(description="As a person gave it; else empty, or: not recorded")]
    include: list[str]
    setting: Annotated[WriteOffSetting, Field(description="The Balance Writeoff setting, frozen by the preview")]
    as_of: dt.date
    posting_date: dt.date
    claims_expected: Annotated[int | None, Field(description="Counted before the preview, while it is preparing")]
    counts: Annotated[Counts | None, Field(description="Frozen by the preview; null while it is preparing")]
    requested_by: str | None
    requested_at: dt.datetime
    previewed_at: dt.datetime | None
    expires_at: Annotated[dt.datetime | None, Field(description="Until when the preview can be confirmed")]
    confirmed_by: str | None
    confirmed_at: dt.datetime | None
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    halted_because: str | None
    limits: Annotated[
        dict[str, Ceiling], Field(description="By name, frozen by the preview; later changes are not retroactive")
    ]
    over: Annotated[list[OverLimit], Field(description="What is over which limit; then another person must approve")]
    approval_asked_at: dt.datetime | None
    approval_expires_at: Annotated[dt.datetime | None, Field(description="Until when another person may approve")]
    decided_by: Annotated[str | None, Field(description="Who approved or rejected")]
    decided_at: dt.datetime | None
    decision_note: Annotated[str, Field(description="Why it was rejected")]


class SettleJobAnswer(SettleJobSummary):
    """A job."""

    totals: Annotated[Totals | None, Field(description="Frozen by the preview; null while it is preparing")]
    changed_since_preview: Annotated[
        int | None,
        Field(description="Claims to settle that the run will skip, for they changed; null: it waits no more"),
    ]


class SettleJobsPage(Answer):
    """Some jobs, the newest first."""

    settle_jobs: list[SettleJobSummary]
    next_cursor: str | None


class Item(Answer):
    """One claim of a job: what the preview promised, and what became of it."""

    position: int
    claim_id: str
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    insurance_cents: Annotated[int, Field(description="Will be (or was) written off, by the preview")]
    patient_cents: int
    verdict: Verdict
    verdict_code: str | None
    outcome: Outcome | None
    code: str | None
    words: Annotated[str | None, Field(description="The sentence of the code")]
    why: Why
    why_words: WhyWords
    retryable: Annotated[bool, Field(description="It failed, and retry-failed of its job takes it as things stand")]
    insurance_due_cents: Annotated[int, Field(validation_alias="insurance_due", description="Due now")]
    patient_due_cents: Annotated[int, Field(validation_alias="patient_due")]


class ItemsPage(Answer):
    """Some items of a job, in its order."""

    items: list[Item]
    next_cursor: str | None
