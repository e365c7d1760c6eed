"""Schedules and their runs as API answers."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from core.enums.ledger import WriteOffReason
from core.enums.schedules import RunOutcome, ScheduleMode, ScheduleState
from core.schedules.run_mail import MailState
from webui.api.models import Answer, Id

Cap = int | Literal["unlimited"]


class NextRun(Answer):
    """The next run of a schedule."""

    date: Annotated[dt.date, Field(description="Run date in the practice's time zone")]
    at: Annotated[dt.datetime, Field(validation_alias="instant")]


class ScheduleAnswer(Answer):
    """A schedule."""

    id: Id
    name: str
    words: Annotated[str, Field(description="What the schedule does, as a sentence")]
    filter: Annotated[dict[str, Any], Field(description="Same keys as GET /claims")]
    local_time: Annotated[str, Field(description="Hours and minutes in the practice's time zone")]
    time_zone: str
    weekdays: list[str]
    reason: Annotated[str, Field(description="Code of the practice's write-off reason")]
    reason_kind: WriteOffReason
    note: str
    claims_max: Cap
    cents_max: Cap
    late_minutes: Annotated[int, Field(description="Latest start, in minutes after local_time")]
    mail_to: list[str]
    mode: ScheduleMode
    state: ScheduleState
    stopped_because: str | None
    stopped_words: str | None
    next_run: Annotated[NextRun | None, Field(description="Null while the schedule is paused or stopped")]
    next_run_words: str
    owner: str | None
    version: Annotated[int, Field(description="Send it back with a change; it increases with every change")]
    made_at: dt.datetime
    changed_at: dt.datetime
    changed_by: str | None


class Schedules(Answer):
    """The practice's schedules, by name."""

    schedules: list[ScheduleAnswer]


class Coded(Answer):
    """The number of claims with a code."""

    code: str
    words: str
    claims: int


class TonightAnswer(Answer):
    """Estimate of a schedule's next run, based on current claims and settings."""

    as_of: dt.date
    claims: int
    will_settle: int
    skipped: int
    insurance_cents: int
    patient_cents: int
    by_code: list[Coded]
    over: Annotated[
        list[str], Field(description="Caps and limits that the run would exceed, so it would need approval")
    ]
    over_words: Annotated[list[str], Field(description="A sentence for each code in `over`")]
    notes: Annotated[list[str], Field(description="Warnings to show before the figures")]


class ScheduleRunAnswer(Answer):
    """One run with its report: settled + skipped + failed + remaining = claims."""

    id: Id
    schedule_id: Id
    schedule: Annotated[str, Field(description="The schedule's name when the run started")]
    local_date: Annotated[dt.date | None, Field(description="Run date; null for a run started with run-now")]
    due_at: dt.datetime
    begun_at: dt.datetime
    mode: ScheduleMode
    outcome: RunOutcome
    because: str | None
    state: Annotated[str, Field(description="Current result in one word")]
    words: str
    is_final: Annotated[bool, Field(description="True if the result won't change without a user's action")]
    settle_job_id: Id | None
    claims: int
    settled: int
    skipped: int
    failed: int
    remaining: int
    insurance_cents: int
    patient_cents: int
    by_code: list[Coded]
    over: list[str]
    held_by_settle_job_ids: list[Id]
    mail_state: MailState
    mail_sent_at: dt.datetime | None


class ScheduleRuns(Answer):
    """A page of runs, newest first."""

    schedule_runs: list[ScheduleRunAnswer]
    next_cursor: str | None
