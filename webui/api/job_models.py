"""Jobs, previews, their progress and their claims as API answers."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import JobKind, JobStatus
from core.enums.ledger import WriteOffReason
from core.enums.practices import WriteOffSetting
from core.jobs import codes
from core.jobs.approval.limits import OverLimit
from core.jobs.approval.without_approval import WithoutApproval
from core.jobs.preview.groups import Group
from core.jobs.preview.open_balances import StaysOpen
from core.jobs.preview.totals import CodeCount
from core.jobs.results.try_again import Way
from webui.api.models import Answer, Ceiling, Why, WhyWords
from webui.api.request_parsing import Body

ChangedSeen = Annotated[
    Annotated[int, Field(ge=0)] | None,
    Field(
        description="The changed_since_preview that you last read. If more claims have changed, the answer is 409 "
        "preview_stale and nothing starts. Null means no check"
    ),
]


class Counts(Answer):
    """How a preview splits its claims."""

    claims: int
    will_settle: int
    with_money: Annotated[int, Field(description="Claims that will settle with a write-off")]
    status_only: Annotated[int, Field(description="Claims that will settle without a write-off")]
    skipped: int
    write_offs: Annotated[int, Field(description="Write-off postings that the job will make")]
    in_other_jobs: Annotated[int, Field(description="Claims that are also in another unfinished job (a warning)")]


def _called(sentence: Callable[[], str]) -> str:
    return sentence()


class CostShare(Answer):
    """Medicare or Medicaid cost sharing in the job and over the past 12 months, in cents."""

    claims: Annotated[int, Field(description="Claims in the job with cost sharing")]
    job_cents: Annotated[int, Field(description="Cost sharing that the job will write off")]
    since: dt.date
    until: dt.date
    written_off_cents: Annotated[
        int, Field(description="Written off over these months before this job, and not reversed")
    ]
    became_due_cents: Annotated[
        int, Field(description="Net amount that became patient responsibility over these months")
    ]
    percent: Annotated[
        int | None,
        Field(description="Percent written off, rounded down; null if nothing became patient responsibility"),
    ]
    sentence: Annotated[str, BeforeValidator(_called), Field(description="The same as a sentence")]
    name: Annotated[str, Field(description="What is waived, e.g. Medicare cost sharing")]
    includes_medicaid: Annotated[
        bool, Field(description="False for jobs from an earlier version, which left out Medicaid-only claims")
    ]


class CodeCounted(CodeCount):
    """The number of claims that one rule decided, with the rule's sentence."""

    model_config = ConfigDict(from_attributes=True)
    words: Annotated[str, BeforeValidator(codes.describe), Field(validation_alias="code")]


class Totals(Answer):
    """What the job will write off, and which balances stay open."""

    insurance_cents: int
    patient_cents: int
    by_payer: list[Group]
    by_provider: list[Group]
    by_code: Annotated[list[CodeCounted], Field(description="Number of claims for each rule that applies")]
    cost_share: Annotated[
        CostShare | None, Field(description="Present if the job writes off cost sharing; CONFIRM then needs a reason")
    ]
    stays_open: Annotated[
        StaysOpen | None,
        Field(
            description="Balances that stay open on the claims to settle because of the Balance Writeoff setting; null "
            "for other jobs and for previews from an earlier version"
        ),
    ]


class SettleJobSummary(Answer):
    """A job without its detailed totals."""

    id: str
    kind: JobKind
    status: JobStatus
    status_words: Annotated[str, Field(description="The status as a sentence shows it, e.g. awaiting approval")]
    reverses_job_id: Annotated[str | None, Field(description="For a reversal: the job that it reverses")]
    target_status: str
    reason: Annotated[str | None, Field(description="Code of the practice's write-off reason")]
    reason_kind: Annotated[WriteOffReason | None, Field(description="The built-in kind of reason that the rules use")]
    reason_name: Annotated[str | None, Field(description="Name of the reason, frozen by the preview")]
    adjustment_code: Annotated[str, Field(description="The reason's code in the practice-management system, frozen")]
    note: str
    name: Annotated[str, Field(description="A label that users may change; empty for none")]
    cost_share_reason: Annotated[str, Field(description='The reason as entered; otherwise empty, or "not recorded"')]
    include: list[str]
    include_words: Annotated[list[str], Field(description="A sentence for each overridden rule")]
    setting: Annotated[WriteOffSetting, Field(description="The Balance Writeoff setting, frozen by the preview")]
    as_of: dt.date
    posting_date: dt.date
    selection_words: Annotated[
        str, Field(description='What the request selected, e.g. "97 claim numbers from a list, 3 not found"')
    ]
    claims_expected: Annotated[int | None, Field(description="Count before the preview, while the job is preparing")]
    counts: Annotated[Counts | None, Field(description="Frozen by the preview; null while the job is preparing")]
    requested_by: str | None
    requested_at: dt.datetime
    previewed_at: dt.datetime | None
    expires_at: Annotated[dt.datetime | None, Field(description="When the preview expires")]
    confirmed_by: str | None
    accountable_user: Annotated[str | None, Field(description="Requester whose daily limit the job counts against")]
    confirmed_at: dt.datetime | None
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    halted_because: str | None
    limits: Annotated[
        dict[str, Ceiling], Field(description="Limits by name, frozen by the preview; later changes don't apply")
    ]
    over: Annotated[
        list[OverLimit],
        Field(description="Limits that the job exceeds; another user must approve it, unless without_approval is set"),
    ]
    approval_asked_at: dt.datetime | None
    approval_expires_at: Annotated[dt.datetime | None, Field(description="When the request for approval expires")]
    decided_by: Annotated[str | None, Field(description="User who approved or rejected the job")]
    decided_at: dt.datetime | None
    decision_note: Annotated[str, Field(description="Reason for the rejection")]


_WithoutApproval = Annotated[
    WithoutApproval | None,
    Field(
        description="Set if one person works in the practice by choice, so that a job over a limit runs after CONFIRM"
    ),
]


class SettleJobAnswer(SettleJobSummary):
    """A job with its totals."""

    without_approval: _WithoutApproval
    totals: Annotated[Totals | None, Field(description="Frozen by the preview; null while the job is preparing")]
    open_words: Annotated[str, Field(description="stays_open as sentences; empty if no balance stays open")]
    changed_since_preview: Annotated[
        int | None,
        Field(
            description="Claims that the run will skip because they changed; null unless the job awaits CONFIRM or "
            "approval"
        ),
    ]
    changed_words: Annotated[str, Field(description="The same as a sentence; empty if no claim changed")]


class NotFoundNumber(Answer):
    """A number of a list that no claim of the practice has."""

    claim_number: Annotated[str, Field(validation_alias="number")]
    did_you_mean: Annotated[
        tuple[str, ...],
        Field(
            validation_alias="near",
            description="Up to 5 claims whose numbers differ only in leading zeros, letter case or characters that "
            "look alike. The job does not contain them",
        ),
    ]


class CreatedJob(SettleJobAnswer):
    """A new job. For a list of claim numbers, it says which were not found."""

    not_found: Annotated[
        list[NotFoundNumber], Field(description="Numbers of claim_numbers that select nothing, in their order")
    ]


class SettleJobsPage(Answer):
    """A page of jobs, newest first."""

    settle_jobs: list[SettleJobSummary]
    next_cursor: str | None


class Item(Answer):
    """One claim in a job, with its preview verdict and its outcome."""

    position: int
    claim_id: str
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    insurance_cents: Annotated[int, Field(description="Write-off amount in the preview")]
    patient_cents: int
    verdict: Verdict
    verdict_code: str | None
    outcome: Outcome | None
    code: str | None
    words: Annotated[str | None, Field(description="The code as a sentence")]
    why: Why
    why_words: WhyWords
    retryable: Annotated[bool, Field(description="True if the claim failed and retry-failed would retry it now")]
    try_again: Annotated[Way | None, Field(description="How a claim that failed or was skipped can be tried again now")]
    try_again_words: Annotated[str | None, Field(description="The same as a sentence, with what must change first")]
    insurance_due_cents: Annotated[int, Field(validation_alias="insurance_due", description="Current balance")]
    patient_due_cents: Annotated[int, Field(validation_alias="patient_due")]


class RetryGroupAnswer(Answer):
    """The failed claims with one code."""

    code: str
    words: Annotated[str, Field(description="The code as a sentence")]
    claims: Annotated[int, Field(description="Claims that a retry tries")]
    insurance_cents: Annotated[int, Field(description="Amount of these claims in the preview")]
    patient_cents: int
    blocked: Annotated[
        dict[str, int], Field(description="Claims that are not retried, by the rule that would skip them now")
    ]
    blocked_words: Annotated[dict[str, str], Field(description="A sentence for each of these rules")]


class RetryAnswer(Answer):
    """What a retry of the job would try now."""

    claims: int
    obstacle: Annotated[str, Field(description="Why no claim can be retried, as a sentence; empty if some can")]
    groups: list[RetryGroupAnswer]


class ItemsPage(Answer):
    """A page of a job's items, in order."""

    items: list[Item]
    next_cursor: str | None


class Confirmed(Answer):
    """A confirmed job. Repeating CONFIRM gives the same answer; see `progress` for how far along the job is."""

    id: str
    status: Annotated[
        Literal["confirmed", "awaiting_approval"],
        Field(description="awaiting_approval: over a limit; nothing happens until another user approves it"),
    ]
    status_words: Annotated[str, Field(description="The status as a sentence shows it")]
    claims: int
    confirmed_by: str | None
    confirmed_at: Annotated[dt.datetime | None, Field(description="Null while the job awaits approval")]
    approved_by: str | None
    over: list[OverLimit]
    without_approval: _WithoutApproval
    progress: Annotated[str, Field(description="Address of the job's progress")]


class Rejection(Body):
    """The reason for rejecting a job or a posting."""

    reason: Annotated[str, Field(description="Shown to the requester; 1 to 500 characters")] = ""
